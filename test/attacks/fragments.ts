/** A10: fragments, IPv4 options and header lengths, chains of extension headers. */
import { be16, be32, join, patch, udp } from '../datapath/frames.ts';
import { type Attacks, datagram, four, six } from './attack.ts';

const more = 0x2000;
/** A fragment header of IPv6; `offset` in units of eight bytes. */
const fragment = (next: number, offset: number, isLast: boolean): Uint8Array =>
  join([next, 0], be16((offset << 3) | (isLast ? 0 : 1)), be32(0x66));
/** Destination options that do nothing, before a header. */
const options = (next: number): number[] => [next, 0, 1, 4, 0, 0, 0, 0];
const body = (mark: Uint8Array) => join(mark, new Uint8Array(8 - (mark.length % 8)));

export const fragments4: Attacks = (from, to) => {
  const pieces = (sport: number, dport: number) => (mark: Uint8Array) => [
    four(from, to, udp(sport, dport, body(mark)).subarray(0, 8), { header: { id: 7, fragment: more } }),
    four(from, to, body(mark), { header: { id: 7, fragment: 1 } }),
  ];
  const whole = (mark: Uint8Array) => four(from, to, udp(6767, 6868, mark));
  const attack = { id: 'A10', legal: datagram(from, to) };
  return [
    {
      ...attack,
      does: 'a later fragment as a neighbour',
      reason: 'src_ip4',
      hostile: (mark) => [four(from, to, body(mark), { header: { src: to.ip4, id: 7, fragment: 1 } })],
      legal: (mark) => pieces(6767, 6868)(mark),
    },
    {
      ...attack,
      does: 'a first fragment with the ports of a DHCP server and nothing else',
      reason: 'dhcp_server',
      hostile: (mark) => [
        four(from, to, join(udp(67, 68, body(mark)).subarray(0, 8)), { header: { id: 7, fragment: more } }),
      ],
      legal: (mark) => pieces(6767, 6868)(mark),
    },
    {
      ...attack,
      does: 'a second first fragment, which changes the ports',
      reason: 'dhcp_server',
      hostile: (mark) => [four(from, to, udp(67, 68, body(mark)), { header: { id: 7, fragment: more } })],
      legal: (mark) => pieces(6767, 6868)(mark),
    },
    ...[
      ['a header of four words', 14, [0x44]],
      ['a header longer than the packet', 14, [0x4f]],
      ['a length beyond the frame', 16, [5, 0]],
      ['a length shorter than the header', 16, [0, 19]],
      ['another version', 14, [0x65]],
    ].map(([does, at, bytes]) => ({
      ...attack,
      does: does as string,
      reason: 'ip4_header' as const,
      hostile: (mark: Uint8Array) => [patch(whole(mark), at as number, ...(bytes as number[]))],
    })),
  ];
};

export const fragments6: Attacks = (from, to) => {
  const send = (next: number, ...parts: readonly ArrayLike<number>[]) =>
    six(from, to, join(...parts), { header: { next } });
  const chain = (count: number) => (mark: Uint8Array) => [
    send(60, ...Array.from({ length: count - 1 }, () => options(60)), options(17), udp(6767, 6868, mark)),
  ];
  const pieces = (mark: Uint8Array) => [
    send(44, fragment(17, 0, false), udp(6767, 6868, body(mark)).subarray(0, 8)),
    send(44, fragment(17, 1, true), body(mark)),
  ];
  const attack = { id: 'A10', legal: pieces };
  return [
    {
      ...attack,
      does: 'a later fragment of IPv6 as a neighbour',
      reason: 'src_ip6',
      hostile: (mark) => [
        six(from, to, join(fragment(17, 1, true), body(mark)), { header: { src: to.ip6, next: 44 } }),
      ],
    },
    {
      ...attack,
      does: 'a DHCPv6 reply in one fragment',
      reason: 'dhcp_server',
      hostile: (mark) => [send(44, fragment(17, 0, true), udp(547, 546, mark))],
      legal: (mark) => [send(44, fragment(17, 0, true), udp(6547, 6546, mark))],
    },
    {
      ...attack,
      does: 'a first fragment that ends before its ports',
      reason: 'ip6_header',
      hostile: () => [send(44, fragment(60, 0, false), options(17))],
    },
    {
      ...attack,
      does: 'extension headers behind a fragment’s, whose ports a later fragment could change',
      reason: 'ip6_header',
      hostile: (mark) => [send(44, fragment(60, 0, false), options(17), udp(6767, 6868, body(mark)))],
      legal: (mark) => [send(60, options(44), fragment(17, 0, true), udp(6767, 6868, mark))],
    },
    {
      ...attack,
      does: 'a router advertisement in fragments',
      reason: 'nd_malformed',
      hostile: (mark) => [send(44, fragment(58, 0, true), [134, 0, 0, 0], new Uint8Array(12), mark)],
    },
    {
      ...attack,
      does: 'a neighbour advertisement behind extension headers',
      reason: 'nd_malformed',
      hostile: (mark) => [send(60, options(58), [136, 0, 0, 0], new Uint8Array(20), mark)],
      legal: chain(2),
    },
    { ...attack, does: 'seven extension headers', reason: 'ip6_header', hostile: chain(7), legal: chain(6) },
    {
      ...attack,
      does: 'an extension header longer than the packet',
      reason: 'ip6_header',
      hostile: (mark) => [send(60, patch(join(options(17)), 1, 200), udp(6767, 6868, mark))],
      legal: chain(1),
    },
  ];
};
