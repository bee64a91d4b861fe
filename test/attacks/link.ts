/** A6 and A7: frames for the switches and routers that are not there, and more addresses than one machine has. */
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { be16, eth, ip4, ip6, join, mac, udp } from '../datapath/frames.ts';
import { type Attack, type Attacks, datagram, four, type Marked, six } from './attack.ts';

const floodFrames = 200;
/** The n-th of many addresses. */
const invented = (n: number): string =>
  `02:66:00:00:${[n >> 8, n & 255].map((b) => b.toString(16).padStart(2, '0')).join(':')}`;
const each =
  (one: (n: number, mark: Uint8Array) => Uint8Array): Marked =>
  (mark) =>
    Array.from({ length: floodFrames }, (_, n) => one(n, mark));

export const floods: Attacks = (from, to) => {
  const payload = (mark: Uint8Array) => udp(6767, 6868, mark);
  const flood = { id: 'A6', legal: datagram(from, to) };
  return [
    {
      ...flood,
      does: `${floodFrames} source MACs`,
      reason: 'src_mac',
      hostile: each((n, mark) => four(from, to, payload(mark), { macs: [to.mac, invented(n)] })),
    },
    {
      ...flood,
      does: `${floodFrames} destination MACs`,
      reason: 'unknown_unicast',
      hostile: each((n, mark) => four(from, to, payload(mark), { macs: [invented(n), from.mac] })),
    },
    {
      ...flood,
      does: `${floodFrames} source addresses`,
      reason: 'src_ip4',
      hostile: each((n, mark) => four(from, to, payload(mark), { header: { src: `10.8.1.${n}` } })),
    },
    {
      ...flood,
      does: `${floodFrames} source addresses of IPv6`,
      reason: 'src_ip6',
      hostile: each((n, mark) => six(from, to, payload(mark), { header: { src: `fd08::1:${n}` } })),
      legal: (mark) => [six(from, to, payload(mark))],
    },
  ];
};

/** Frames of switches by their types and groups; a type below 1,536 is a length. */
const switching = [
  ['LLDP', '01:80:c2:00:00:0e', 0x88cc],
  ['spanning tree', '01:80:c2:00:00:00', 38],
  ['LACP', '01:80:c2:00:00:02', 0x8809],
  ['PAUSE', '01:80:c2:00:00:01', 0x8808],
  ['EAPOL', '01:80:c2:00:00:03', 0x888e],
  ['CDP', '01:00:0c:cc:cc:cc', 60],
  ['MPLS to a neighbour', undefined, 0x8847],
  ['PPPoE to a neighbour', undefined, 0x8863],
  ['RARP to everybody', 'ff:ff:ff:ff:ff:ff', 0x8035],
] as const;
/** What routers say to each other: the protocol, by which group. */
const routing = [
  ['IGMP', 2, '224.0.0.22', '01:00:5e:00:00:16'],
  ['OSPF', 89, '224.0.0.5', '01:00:5e:00:00:05'],
  ['VRRP', 112, '224.0.0.18', '01:00:5e:00:00:12'],
  ['PIM', 103, '224.0.0.13', '01:00:5e:00:00:0d'],
] as const;
const routing6 = [
  ['MLD', 58, 'ff02::16', '33:33:00:00:00:16'],
  ['OSPFv3', 89, 'ff02::5', '33:33:00:00:00:05'],
] as const;

export const forSwitches: Attacks = (from, to) => {
  const packet = (mark: Uint8Array) => ip4({ src: from.ip4, dst: to.ip4 }, udp(6767, 6868, mark));
  const tagged =
    (...tags: readonly number[]): Marked =>
    (mark) => [eth(mac(to.mac), mac(from.mac), tags[0]!, join(...tags.slice(1).map(be16), be16(0x800), packet(mark)))];
  const attack = (does: string, reason: ReasonName, hostile: Marked, legal = datagram(from, to)): Attack => ({
    ...{ id: 'A7', does, reason, hostile, legal },
  });
  const body = (mark: Uint8Array) => join(new Uint8Array(40), mark);
  return [
    attack('a VLAN tag', 'vlan', tagged(0x8100, 120)),
    attack('a priority tag', 'vlan', tagged(0x8100, 0xe000)),
    attack('a service tag', 'vlan', tagged(0x88a8, 120)),
    attack('two tags', 'vlan', tagged(0x88a8, 5, 0x8100, 120)),
    attack('two tags of the same type', 'vlan', tagged(0x8100, 5, 0x8100, 120)),
    attack('an old outer tag', 'vlan', tagged(0x9100, 5, 0x8100, 120)),
    ...switching.map(([what, group, type]) =>
      attack(what, 'ethertype', (mark) => [eth(mac(group ?? to.mac), mac(from.mac), type, body(mark))]),
    ),
    ...routing.map(([what, proto, dst, group]) =>
      attack(what, 'multicast', (mark) => [
        eth(mac(group), mac(from.mac), 0x800, ip4({ src: from.ip4, dst, proto, ttl: 1 }, body(mark))),
      ]),
    ),
    ...routing6.map(([what, next, dst, group]) =>
      attack(what, 'multicast', (mark) => [
        eth(mac(group), mac(from.mac), 0x86dd, ip6({ src: from.ip6, dst, next, hops: 1 }, join([143, 0], body(mark)))),
      ]),
    ),
    attack('IPv4 in an IPv6 frame', 'ip6_header', (mark) => [eth(mac(to.mac), mac(from.mac), 0x86dd, packet(mark))]),
  ];
};
