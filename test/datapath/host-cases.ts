/** What `to_host` lets through to a host that is a workload itself. */
import { type Case, data, drop, m, type Packet } from './case.ts';
import { arp, eth, ip4, ip6, join, udp } from './frames.ts';
import { linkLocal } from './world.ts';

const toOne = (type: number, packet: Uint8Array): Packet => ({
  program: 'to_host',
  from: 0,
  frame: eth(m.one, m.two, type, packet),
});
const to4 = (dst: string): Packet => toOne(0x800, ip4({ src: '10.0.0.2', dst }, data));
const to6 = (dst: string): Packet => toOne(0x86dd, ip6({ src: 'fd00::2', dst, next: 17 }, data));
const vxlan4 = (dport: number, more: { fragment?: number; options?: number[] } = {}): Packet =>
  toOne(0x800, ip4({ src: '10.0.0.2', dst: '10.0.0.1', ...more }, udp(5000, dport, data)));
/** Behind as many extension headers: hop-by-hop options, then a fragment header with this offset and more-fragments bit. */
const vxlan6 = (dport: number, offset?: number): Packet => {
  const segment = udp(5000, dport, data);
  const header = { src: 'fd00::2', dst: 'fd00::1' };
  if (offset === undefined) return toOne(0x86dd, ip6({ ...header, next: 17 }, segment));
  const extensions = [44, 0, 1, 4, 0, 0, 0, 0, 17, 0, ...[offset >> 8, offset & 255], 0, 0, 0, 7];
  return toOne(0x86dd, ip6({ ...header, next: 0 }, join(extensions, segment)));
};
const passes = { slot: 1, controlGives: { verdict: 'pass' } } as const;

export const toHost: Case[] = [
  drop(
    'not_host',
    'another address of the host, or of somebody behind it',
    to4('198.51.100.7'),
    to4('10.0.0.1'),
    passes,
  ),
  drop('not_host', 'a loopback address', to4('127.0.0.1'), to4('10.0.0.1'), passes),
  drop('not_host', 'another address of the network', to4('10.0.0.2'), to4('10.0.0.1'), passes),
  drop('not_host', 'an IPv6 address of somebody else', to6('2001:db8::7'), to6('fd00::1'), passes),
  drop('not_host', 'another’s link-local address', to6(linkLocal(2)), to6(linkLocal(1)), passes),
  drop('not_host', 'a group', to6('ff02::1'), to6('fd00::1'), passes),
  drop(
    'not_host',
    'neither IP nor ARP',
    toOne(0x88cc, join(data)),
    toOne(0x806, arp({ senderMac: m.two, senderIp: '10.0.0.2', targetIp: '10.0.0.1' })),
    passes,
  ),
  drop('not_host', 'UDP to the VXLAN port', vxlan4(4789), vxlan4(4790), passes),
  drop(
    'not_host',
    'UDP to the VXLAN port behind IPv4 options',
    vxlan4(4789, { options: [1, 1, 1, 1] }),
    vxlan4(4790, { options: [1, 1, 1, 1] }),
    passes,
  ),
  drop(
    'not_host',
    'the first fragment of UDP to the VXLAN port',
    vxlan4(4789, { fragment: 0x2000 }),
    vxlan4(4789, { fragment: 0x2001 }), // a later one
    passes,
  ),
  drop('not_host', 'UDP over IPv6 to the VXLAN port', vxlan6(4789), vxlan6(4790), passes),
  drop('not_host', 'its first fragment behind options', vxlan6(4789, 1), vxlan6(4789, 9), passes),
  drop('port_unknown', 'a device without a port', { ...to4('10.0.0.1'), from: 'stray' }, to4('10.0.0.1'), {
    ...passes,
    slot: 0,
  }),
];
