/**
 * What a router with default routes does, and one with a peer: who has everything behind it still speaks for nobody who
 * is known, and for nobody at all towards another tenant.
 */
import { type Case, data, drop, m, type Packet, port } from './case.ts';
import { type Bytes, encapsulated, eth, ip4, ip6, join } from './frames.ts';
import { linkLocal, P } from './world.ts';

/** Index of nine in the world's list of ports. */
const nine = { from: 6 };
/** From nine to its gateway's MAC. */
const to = (dst: string, src = '10.3.0.9', ttl = 64): Packet =>
  port(eth(m.gateway, m.nine, 0x800, ip4({ src, dst, ttl }, data)), nine);
const to6 = (dst: string, src = 'fd03::9', hops = 64): Packet =>
  port(eth(m.gateway, m.nine, 0x86dd, ip6({ src, dst, hops }, data)), nine);

/** Addresses behind the default routes: of nobody here. */
const outside = '203.0.113.1';
const outside6 = '2001:db8:9::1';
const dropped: typeof drop = (reason, does, packet, control) => drop(reason, does, packet, control, { slot: 6 });

/** From host 2 to eleven, of the peer's network. */
const wire = (src: string, host = '192.0.2.2'): Packet => ({
  program: 'from_underlay',
  frame: encapsulated(
    { src: host, dst: '192.0.2.1', vni: P },
    eth(m.eleven, m.gateway, 0x800, ip4({ src, dst: '10.7.0.11' }, data)),
  ),
});

const toPeers = ['10.7.0.11', '10.7.0.12'].map((dst) =>
  dropped('src_ip4', `what is behind a port, to a peer’s ${dst}`, to(dst, outside), to(dst)),
);
const toPeers6 = ['fd07::11', 'fd07::12'].map((dst) =>
  dropped('src_ip6', `what is behind a port, to a peer’s ${dst}`, to6(dst, outside6), to6(dst)),
);

/** What nobody forwards goes to the gateway, and not where the default route leads: back to nine. */
const unrouted = [
  ...['169.254.1.1', '127.0.0.1', '0.0.0.1', '224.0.0.251', '255.255.255.255'].map((dst) =>
    dropped('to_self', `a default route that leads back; ${dst} does not`, to(outside), to(dst)),
  ),
  ...['fe80::99', 'ff02::99', '::1'].map((dst) =>
    dropped('to_self', `a default route that leads back; ${dst} does not`, to6(outside6), to6(dst)),
  ),
];

/** In its last hop: only what the router takes ends there. */
const last = (does: string, packet: Packet, control: Packet): Case => ({
  ...{ reason: 'ttl_expired', does, packet, control, slot: 6 },
  verdict: 'redirect',
});

/** Extension headers before `upper`; `fragment`: offset of a fragment, in bytes. */
const extended = (next: number, upper: Uint8Array, fragment: number, hops: number): Packet => {
  const headers: Bytes = join([44, 0, 1, 4, 0, 0, 0, 0], [next, 0, fragment >> 8, fragment & 255, 0, 0, 0, 7]);
  const packet = ip6({ src: 'fd03::9', dst: 'fd05::10', next: 60, hops }, join(headers, upper));
  return port(eth(m.gateway, m.nine, 0x86dd, packet), nine);
};
const error6 = join([1, 0, 0, 0, 0, 0, 0, 0], ip6({ src: 'fd05::10', dst: 'fd03::9' }, data));
const echo6 = join([128, 0, 0, 0], new Uint8Array(28));
const hidden = [
  last('a first fragment', extended(17, data, 0, 1), extended(17, data, 0, 2)),
  dropped('ttl_expired', 'a later fragment in its last hop', extended(17, data, 8, 1), extended(17, data, 8, 2)),
  last('a question behind extension headers', extended(58, echo6, 0, 1), extended(58, echo6, 0, 2)),
  dropped(
    'ttl_expired',
    'an ICMPv6 error behind extension headers, in its last hop',
    extended(58, error6, 0, 1),
    extended(58, error6, 0, 2),
  ),
];

export const peers: readonly Case[] = [
  ...toPeers,
  ...toPeers6,
  drop('inner_vtep', 'as a peer’s port, from another host', wire('10.5.0.10', '192.0.2.3'), wire('10.5.0.10')),
  drop('inner_source', 'as what is behind a peer’s port', wire(outside), wire('10.5.0.10')),
  dropped(
    'src_ip4',
    'as a port of a subnet that is not joined',
    to('10.5.0.10', '10.6.0.10'),
    to('10.5.0.10', outside),
  ),
  dropped(
    'src_ip6',
    'as a port of a subnet that is not joined, IPv6',
    to6('fd05::10', 'fd06::10'),
    to6('fd05::10', outside6),
  ),
  last(
    'an own address is routed; one in a subnet that is not joined is not',
    to('10.5.0.10', '10.3.0.9', 1),
    to('10.5.0.10', '10.4.0.9', 1),
  ),
  last(
    'an own address is routed; a link-local one is not (RFC 4291 §2.5.6)',
    to6('fd05::10', 'fd03::9', 1),
    to6('fd05::10', linkLocal(9), 1),
  ),
  last('what is behind a port is routed', to('10.5.0.10', outside, 1), to('10.5.0.10', outside, 2)),
  ...unrouted,
  ...hidden,
];
