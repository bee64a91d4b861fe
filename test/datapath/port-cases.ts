/** What `from_port` does with a workload's packets. */
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { arpAnswered, type Case, data, drop, everyone, m, ndAnswered, type Packet, patched, port } from './case.ts';
import {
  arp,
  type Bytes,
  be16,
  eth,
  icmp6,
  ip4,
  ip6,
  join,
  mac,
  patch,
  type Solicitation,
  solicit,
  solicitedMac,
  sourceMacOption,
} from './frames.ts';
import { linkLocal } from './world.ts';

const toTwo = (src: string, payload: Uint8Array = data, proto = 17): Bytes =>
  eth(m.two, m.one, 0x800, ip4({ src, dst: '10.0.0.2', proto }, payload));
const toTwo6 = (src: string, next = 17, payload: ArrayLike<number> = data): Bytes =>
  eth(m.two, m.one, 0x86dd, ip6({ src, dst: 'fd00::2', next }, payload));
const good = port(toTwo('10.0.0.1'));
const good6 = port(toTwo6('fd00::1'));

const ask = (a: Partial<Parameters<typeof arp>[0]> = {}): Bytes =>
  eth(everyone, m.one, 0x806, arp({ senderMac: m.one, senderIp: '10.0.0.1', targetIp: '10.0.0.3', ...a }));
const goodArp = port(ask());
const look = (s: Partial<Solicitation> = {}): Bytes => {
  const whole = { src: 'fd00::1', target: 'fd00::3', options: sourceMacOption(m.one), ...s };
  return eth(solicitedMac(whole.target), m.one, 0x86dd, solicit(whole));
};
const goodNd = port(look());
const advert = (type: number): Bytes =>
  eth(
    mac('33:33:00:00:00:01'),
    m.one,
    0x86dd,
    ip6(
      { src: linkLocal(1), dst: 'ff02::1', next: 58, hops: 255 },
      icmp6(linkLocal(1), 'ff02::1', type, 0, new Uint8Array(20)),
    ),
  );

/** An ICMP error about a packet of so many bytes behind its header, from two to `to`. */
const complaint = (bytes: number, to = '10.0.0.1'): Bytes =>
  join([3, 4, 0, 0, 0, 0, 0, 0], ip4({ src: '10.0.0.2', dst: to }, new Uint8Array(bytes)));
const complaint6 = (to: string): Bytes =>
  icmp6('fd00::1', 'fd00::2', 2, 0, join([0, 0, 5, 0], ip6({ src: 'fd00::2', dst: to }, data)));

/** Dropped. */
export const fromPort: Case[] = [
  drop('port_unknown', 'a frame from a device without a port', { ...good, from: 'stray' }, good, { slot: 0 }),
  drop('truncated', 'an ARP frame cut short', port(ask().slice(0, 41)), goodArp, { controlGives: arpAnswered }),
  drop(
    'vlan',
    'an 802.1Q tag',
    port(join(good.frame.subarray(0, 12), be16(0x8100), be16(5), good.frame.subarray(12))),
    good,
  ),
  drop(
    'vlan',
    'two tags (QinQ)',
    port(join(good.frame.subarray(0, 12), be16(0x88a8), be16(5), be16(0x8100), be16(6), good.frame.subarray(12))),
    good,
  ),
  drop(
    'src_mac',
    'another port’s MAC (A2)',
    port(eth(m.two, m.three, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.2' }, data))),
    good,
  ),
  ...['10.0.0.2', '10.0.0.254', '192.0.2.1', '127.0.0.1', '224.0.0.1', '0.0.0.0', '255.255.255.255'].map((src) =>
    drop('src_ip4', `IPv4 source ${src} (A1)`, port(toTwo(src)), good),
  ),
  drop('src_ip4', 'control: the port’s second address is its own', port(toTwo('10.0.0.12')), port(toTwo('10.0.0.11'))),
  ...['fd00::2', 'fd00::ffff', '::1', 'ff02::1', '::', '::ffff:10.0.0.1', linkLocal(2)].map((src) =>
    drop('src_ip6', `IPv6 source ${src} (A1)`, port(toTwo6(src)), good6),
  ),
  drop('src_ip6', 'IPv6 on an IPv4-only network (A14)', port(toTwo6('fd00::1'), { from: 3 }), good6, { slot: 4 }),
  drop('ethertype', 'LLDP', port(eth(m.two, m.one, 0x88cc, new Uint8Array(50))), good),
  drop('ip4_header', 'header length 4 words', patched(good, 14, 0x44), good),
  drop('ip4_header', 'header length 15 words in a short packet', patched(good, 14, 0x4f), good),
  drop('ip4_header', 'version 6 in an IPv4 frame', patched(good, 14, 0x65), good),
  drop('ip4_header', 'total length beyond the frame', patched(good, 16, 1, 0), good),
  drop('ip6_header', 'payload length beyond the frame', patched(good6, 18, 1, 0), good6),
  drop(
    'ip6_header',
    'seven extension headers',
    port(
      toTwo6(
        'fd00::1',
        60,
        join(...Array.from({ length: 6 }, () => [60, 0, 0, 0, 0, 0, 0, 0]), [17, 0, 0, 0, 0, 0, 0, 0], data),
      ),
    ),
    port(
      toTwo6(
        'fd00::1',
        60,
        join(...Array.from({ length: 5 }, () => [60, 0, 0, 0, 0, 0, 0, 0]), [17, 0, 0, 0, 0, 0, 0, 0], data),
      ),
    ),
  ),
  drop(
    'ip6_header',
    'a first fragment that ends before its ports (A10)',
    port(toTwo6('fd00::1', 44, [17, 0, 0, 1, 0, 0, 0, 7])),
    port(toTwo6('fd00::1', 44, join([17, 0, 0, 1, 0, 0, 0, 7], data.subarray(0, 8)))),
  ),
  drop(
    'ip6_header',
    'a header behind a fragment’s (A10)',
    port(toTwo6('fd00::1', 44, join([60, 0, 0, 1, 0, 0, 0, 7], [17, 0, 1, 4, 0, 0, 0, 0], data))),
    port(toTwo6('fd00::1', 60, join([44, 0, 1, 4, 0, 0, 0, 0], [17, 0, 0, 1, 0, 0, 0, 7], data))),
  ),
  drop('arp_malformed', 'a protocol address length of 5', port(patch(ask(), 19, 5)), goodArp, {
    controlGives: arpAnswered,
  }),
  drop('arp_spoof', 'the sender MAC of a neighbour (A3)', port(ask({ senderMac: m.two })), goodArp, {
    controlGives: arpAnswered,
  }),
  drop('arp_spoof', 'the sender address of a neighbour (A3)', port(ask({ senderIp: '10.0.0.2' })), goodArp, {
    controlGives: arpAnswered,
  }),
  drop('arp_gratuitous', 'an announcement of the own address (A3)', port(ask({ targetIp: '10.0.0.1' })), goodArp, {
    controlGives: arpAnswered,
  }),
  drop('arp_gratuitous', 'an unasked reply (A3)', port(ask({ op: 2 })), goodArp, { controlGives: arpAnswered }),
  drop('arp_unknown', 'a question for nobody’s address', port(ask({ targetIp: '10.0.0.99' })), goodArp, {
    controlGives: arpAnswered,
  }),
  drop('nd_malformed', 'a hop limit of 64', port(look({ hops: 64 })), goodNd, { controlGives: ndAnswered }),
  drop('nd_malformed', 'a wrong checksum', port(patch(look(), 56, 1, 2)), goodNd, { controlGives: ndAnswered }),
  drop('nd_malformed', 'an option of length 0', port(look({ options: [1, 0, 0, 0, 0, 0, 0, 0] })), goodNd, {
    controlGives: ndAnswered,
  }),
  drop(
    'nd_malformed',
    'behind an extension header',
    port(toTwo6('fd00::1', 60, join([58, 0, 0, 0, 0, 0, 0, 0], look().subarray(54)))),
    goodNd,
    { controlGives: ndAnswered },
  ),
  drop(
    'nd_malformed',
    'in a first fragment',
    port(toTwo6('fd00::1', 44, join([58, 0, 0, 1, 0, 0, 0, 0], look().subarray(54)))),
    goodNd,
    { controlGives: ndAnswered },
  ),
  drop('nd_spoof', 'the source address of a neighbour (A4)', port(look({ src: 'fd00::2' })), goodNd, {
    controlGives: ndAnswered,
  }),
  drop(
    'nd_spoof',
    'the link-layer option of a neighbour (A4)',
    port(look({ options: sourceMacOption(m.two) })),
    goodNd,
    { controlGives: ndAnswered },
  ),
  ...[133, 134, 136, 137].map((type) =>
    drop('nd_forbidden', `ICMPv6 type ${type} (A4)`, port(advert(type)), goodNd, { controlGives: ndAnswered }),
  ),
  drop('nd_unknown', 'a question for nobody’s address', port(look({ target: 'fd00::99' })), goodNd, {
    controlGives: ndAnswered,
  }),
  drop(
    'broadcast',
    'a broadcast datagram',
    port(eth(everyone, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.255' }, data))),
    good,
  ),
  drop(
    'multicast',
    'a multicast datagram',
    port(eth(mac('01:00:5e:00:00:fb'), m.one, 0x800, ip4({ src: '10.0.0.1', dst: '224.0.0.251' }, data))),
    good,
  ),
  drop(
    'unknown_unicast',
    'a MAC that nobody has',
    port(eth(mac('02:aa:00:00:00:00'), m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.9' }, data))),
    good,
  ),
  drop(
    'unknown_unicast',
    'a MAC that only another tenant has',
    port(patch(eth(m.two, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.2' }, data)), 0, ...m.two), { from: 2 }),
    good,
    { slot: 3 },
  ),
  drop('to_self', 'the own MAC as destination', port(patch(good.frame, 0, ...m.one)), good),
  drop(
    'too_big',
    'a later fragment larger than the path',
    port(eth(m.three, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.3', fragment: 10 }, new Uint8Array(1431)))),
    port(eth(m.three, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.3', fragment: 10 }, new Uint8Array(1430)))),
  ),
  drop(
    'too_big',
    'larger than the path, and an ICMP error itself',
    port(toTwo('10.0.0.1', complaint(1403), 1)),
    port(toTwo('10.0.0.1', complaint(1402), 1)),
  ),
  drop(
    'icmp_forged',
    'an ICMP error about a packet to a neighbour (A11)',
    port(toTwo('10.0.0.1', complaint(8, '10.0.0.3'), 1)),
    port(toTwo('10.0.0.1', complaint(8, '10.0.0.11'), 1)),
  ),
  drop(
    'icmp_forged',
    'an ICMP error whose quote ends before its destination (A11)',
    port(toTwo('10.0.0.1', complaint(8).subarray(0, 27), 1)),
    port(toTwo('10.0.0.1', complaint(0), 1)),
  ),
  drop(
    'icmp_forged',
    'an ICMP error in fragments (A11)',
    port(eth(m.two, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.2', proto: 1, fragment: 0x2000 }, complaint(4)))),
    port(eth(m.two, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.2', proto: 1 }, complaint(4)))),
  ),
  drop(
    'icmp_forged',
    'an ICMPv6 error about a packet to a neighbour (A11)',
    port(toTwo6('fd00::1', 58, complaint6('fd00::3'))),
    port(toTwo6('fd00::1', 58, complaint6('fd00::1'))),
  ),
  drop(
    'icmp_forged',
    'one behind an extension header (A11)',
    port(toTwo6('fd00::1', 60, join([58, 0, 1, 4, 0, 0, 0, 0], complaint6('fd00::3')))),
    port(toTwo6('fd00::1', 60, join([58, 0, 1, 4, 0, 0, 0, 0], complaint6('fd00::1')))),
  ),
  drop(
    'vtep_unknown',
    'a port on a host without a VTEP row',
    port(eth(m.five, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.5' }, data))),
    port(eth(m.three, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.3' }, data))),
  ),
  drop(
    'encap_failed',
    'the slow path without a VXLAN device',
    port(eth(m.four, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.4' }, data)), { noVxlan: true }),
    port(eth(m.four, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.4' }, data))),
    { controlGives: { verdict: 'redirect', reason: 'slow_tx' } },
  ),
];

const event = (reason: ReasonName, does: string, packet: Packet, control: Packet, more: Partial<Case> = {}): Case => ({
  reason,
  does,
  packet,
  slot: 1,
  verdict: 'redirect',
  control,
  ...more,
});

/** Answered, or sent on another way. */
export const events: Case[] = [
  event('arp_answered', 'a question for a neighbour', goodArp, port(ask({ targetIp: '10.0.0.99' })), {
    controlGives: { verdict: 'drop', reason: 'arp_unknown' },
  }),
  event(
    'arp_answered',
    'a probe without a sender address',
    port(ask({ senderIp: '0.0.0.0' })),
    port(ask({ targetIp: '10.0.0.99' })),
    { controlGives: { verdict: 'drop', reason: 'arp_unknown' } },
  ),
  event('nd_answered', 'a question for a neighbour', goodNd, port(look({ target: 'fd00::99' })), {
    controlGives: { verdict: 'drop', reason: 'nd_unknown' },
  }),
  event(
    'nd_dad',
    'a probe for the own address',
    port(look({ src: '::', target: 'fd00::1', options: [] })),
    port(look({ src: '::', target: 'fd00::2', options: [] })),
    { verdict: 'drop', controlGives: ndAnswered },
  ),
  event(
    'too_big_told',
    'larger than the network',
    port(toTwo('10.0.0.1', new Uint8Array(1431))),
    port(toTwo('10.0.0.1', new Uint8Array(1430))),
  ),
  event(
    'slow_tx',
    'a host without a fast path',
    port(eth(m.four, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.4' }, data))),
    port(eth(m.three, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.3' }, data))),
  ),
];
