/** What routers do: the sender's host routes, the receiver's checks. */
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { arpAnswered, type Case, data, drop, everyone, m, type Packet, port } from './case.ts';
import { arp, type Bytes, encapsulated, eth, ip4, ip6, join } from './frames.ts';
import { A, D, linkLocal } from './world.ts';

/** From one to its gateway's MAC. */
const to = (
  dst: string,
  more: { src?: string; ttl?: number; proto?: number } = {},
  payload: Uint8Array = data,
): Packet => port(eth(m.gateway, m.one, 0x800, ip4({ src: '10.0.0.1', dst, ...more }, payload)));
const to6 = (dst: string, more: { src?: string; hops?: number } = {}, payload: Uint8Array = data): Packet =>
  port(eth(m.gateway, m.one, 0x86dd, ip6({ src: 'fd00::1', dst, ...more }, payload)));
const seven = to('10.1.0.7');
const seven6 = to6('fd01::7');
/** As another tenant's one, which has the same addresses. */
const asB = (p: Packet): Packet => ({ ...p, from: 2 });
/** An ICMP error, about which nobody is told, about a packet to `about`. */
const error = (dst: string, ttl = 64, about = '10.0.0.1'): Packet =>
  to(dst, { ttl, proto: 1 }, join([3, 1, 0, 0, 0, 0, 0, 0], ip4({ src: dst, dst: about }, data)));

/** A question of one's for its neighbour. */
const asks = (senderIp: string): Packet =>
  port(eth(everyone, m.one, 0x806, arp({ senderMac: m.one, senderIp, targetIp: '10.0.0.3' })));

const told = (reason: ReasonName, does: string, packet: Packet, control: Packet, more: Partial<Case> = {}): Case => ({
  ...{ reason, does, packet, control, slot: 1 },
  verdict: 'redirect',
  ...more,
});

/** From a host into a network of tenant A. */
const wire = (vni: number, inner: Bytes, src = '192.0.2.2'): Packet => ({
  program: 'from_underlay',
  frame: encapsulated({ src, dst: '192.0.2.1', vni }, inner),
});
const routed = (src: string, from = m.gateway, mac = m.one, dst = '10.0.0.1'): Bytes =>
  eth(mac, from, 0x800, ip4({ src, dst }, data));
/** Eight of network D, routed to one of network A. */
const fromEight = wire(A, routed('10.1.0.8'));

export const routers: readonly Case[] = [
  drop('blackhole', 'a route that leads nowhere', to('172.20.0.1'), to('172.20.1.1')),
  drop('blackhole', 'a route that leads nowhere, IPv6', to6('fd20::1'), to6('fd18::1')),
  drop('to_self', 'a route that leads back', to('172.16.0.1'), to('172.17.0.1')),
  drop('to_self', 'a route that leads back, IPv6', to6('fd10::1'), seven6),
  drop('ttl_expired', 'an ICMP error in its last hop', error('10.1.0.7', 1), error('10.1.0.7', 2)),
  drop('no_neighbour', 'an ICMP error to nobody', error('10.1.0.99'), error('10.1.0.7')),
  told('ttl_expired', 'a packet in its last hop', to('10.1.0.7', { ttl: 1 }), to('10.1.0.7', { ttl: 2 })),
  told('ttl_expired', 'a packet in its last hop, IPv6', to6('fd01::7', { hops: 1 }), to6('fd01::7', { hops: 2 })),
  told('icmp_told', 'a packet in its last hop', to('10.1.0.7', { ttl: 1 }), to('10.1.0.7', { ttl: 2 })),
  told('icmp_told', 'a packet to nobody, IPv6', to6('fd01::99'), seven6),
  told('no_neighbour', 'an address that nobody has', to('10.1.0.99'), seven),
  told('no_neighbour', 'a next hop that nobody has', to('172.19.0.1'), to('172.17.0.1')),
  told('no_neighbour', 'an address that only another tenant’s router knows', asB(seven), seven, { slot: 3 }),
  told(
    'too_big',
    'larger than the target’s network',
    to('10.1.0.7', {}, new Uint8Array(1281)),
    to('10.1.0.7', {}, new Uint8Array(1280)),
  ),
  drop(
    'src_ip4',
    'what is behind another port',
    to('10.0.0.2', { src: '172.17.0.1' }),
    to('10.1.0.7', { src: '172.16.0.1' }),
  ),
  drop(
    'src_ip4',
    'a joined subnet’s address of another port',
    to('10.1.0.7', { src: '10.1.0.8' }),
    to('10.1.0.7', { src: '10.0.0.11' }),
  ),
  drop(
    'src_ip4',
    'an address that a neighbour has, whatever is behind the port',
    to('10.1.0.7', { src: '172.16.0.4' }),
    to('10.1.0.7', { src: '172.16.0.5' }),
  ),
  drop('src_ip4', 'loopback, whatever is behind the port', to('10.1.0.7', { src: '127.0.0.1' }), seven),
  drop(
    'src_ip6',
    'what is behind another port',
    to6('fd01::7', { src: 'fd18::1' }),
    to6('fd01::7', { src: 'fd10::1' }),
  ),
  drop(
    'icmp_forged',
    'an ICMP error about a packet to what is behind another port (A11)',
    error('10.1.0.7', 64, '172.17.0.1'),
    error('10.1.0.7', 64, '172.16.0.1'),
  ),
  drop('arp_spoof', 'a question as what is behind another port', asks('172.17.0.1'), asks('172.16.0.1'), {
    controlGives: arpAnswered,
  }),
  drop('inner_source', 'a routed frame for a network without a router', wire(0x1003, routed('10.1.0.8')), fromEight),
  drop('inner_source', 'a routed frame from an address that nobody has', wire(A, routed('10.1.0.99')), fromEight),
  drop(
    'inner_source',
    'a routed frame from behind nobody',
    wire(A, routed('172.19.0.1')),
    wire(A, routed('172.18.0.1')),
  ),
  drop('inner_source', 'the router’s own address', wire(A, routed('10.1.0.9')), fromEight),
  drop('inner_source', 'a route that leads nowhere', wire(A, routed('172.20.0.1')), wire(A, routed('172.20.1.1'))),
  drop('inner_mac', 'eight’s own MAC in another network', wire(A, routed('10.1.0.8', m.eight)), fromEight),
  drop(
    'inner_mac',
    'the MAC of a neighbour of who forwards',
    wire(A, routed('172.21.0.1', m.four)),
    wire(A, routed('172.21.0.1', m.three)),
  ),
  drop('inner_vtep', 'routed by a host that the source is not on', wire(A, routed('10.1.0.8'), '192.0.2.3'), fromEight),
  drop('inner_vtep', 'as a port of this host', wire(A, routed('10.1.0.7')), fromEight),
  drop(
    'inner_vtep',
    'routed from one network to the other, by another host',
    wire(D, routed('10.0.0.4', m.gateway, m.seven, '10.1.0.7')),
    wire(D, routed('10.0.0.3', m.gateway, m.seven, '10.1.0.7')),
  ),
  drop(
    'src_ip4',
    'what is behind a port, to a peer’s subnet that is seen under another prefix',
    to('100.64.2.1', { src: '172.16.0.5' }),
    to('100.64.2.1'),
  ),
  drop(
    'inner_vtep',
    'as a peer’s port, seen under another prefix, from another host',
    wire(A, routed('100.64.2.3'), '192.0.2.3'),
    wire(A, routed('100.64.2.3')),
  ),
  drop(
    'inner_source',
    'as a peer’s port by its own address',
    wire(A, routed('10.0.0.99')),
    wire(A, routed('100.64.2.3')),
  ),
  drop(
    'unknown_unicast',
    'control: what the router does not know is the gateway’s',
    port(eth(m.five, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '192.0.2.77' }, data)), { from: 3 }),
    to('192.0.2.77'),
    { slot: 4 },
  ),
  drop(
    'src_ip6',
    'a link-local source is not routed, but its own',
    to6('fd01::7', { src: linkLocal(2) }),
    to6('fd01::7', { src: linkLocal(1) }),
  ),
];
