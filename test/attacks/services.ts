/** A5: a workload that acts as a DHCP server. Router advertisements, which are ND, are among the attacks of workload-attacks. */
import { ip6, join, udp } from '../datapath/frames.ts';
import { type Attacks, four, six } from './attack.ts';

const everybody = 'ff:ff:ff:ff:ff:ff';
/** A header of destination options before UDP, eight bytes. */
const options = [17, 0, 1, 4, 0, 0, 0, 0];

export const rogueServers: Attacks = (from, to) => {
  const offer = (sport: number, dport: number) => (mark: Uint8Array) => [four(from, to, udp(sport, dport, mark))];
  const advertise = (sport: number, dport: number) => (mark: Uint8Array) => [six(from, to, udp(sport, dport, mark))];
  const attack = { id: 'A5', reason: 'dhcp_server', legal: offer(6767, 6868) } as const;
  const attack6 = { ...attack, legal: advertise(6547, 6546) };
  return [
    { ...attack, does: 'a DHCP offer to a neighbour', hostile: offer(67, 68) },
    { ...attack, does: 'one from another port', hostile: offer(6767, 68) },
    { ...attack, does: 'one to a client on another port', hostile: offer(67, 6868) },
    {
      ...attack,
      does: 'one to everybody',
      hostile: (mark) => [
        four(from, to, udp(67, 68, mark), { macs: [everybody, from.mac], header: { dst: '255.255.255.255' } }),
      ],
    },
    {
      ...attack,
      does: 'one behind IPv4 options',
      hostile: (mark) => [four(from, to, udp(67, 68, mark), { header: { options: [1, 1, 1, 1] } })],
    },
    { ...attack6, does: 'a DHCPv6 reply to a neighbour', hostile: advertise(547, 546) },
    { ...attack6, does: 'one from another port', hostile: advertise(6547, 546) },
    {
      ...attack6,
      does: 'one behind an extension header',
      hostile: (mark) => [six(from, to, join(options, udp(547, 546, mark)), { header: { next: 60 } })],
      legal: (mark) => [six(from, to, join(options, udp(6547, 6546, mark)), { header: { next: 60 } })],
    },
  ];
};

/** A14: IPv6 in a network that has none. */
export const withoutIp6: Attacks = (from, to) => {
  const own = { src: 'fe80::66', dst: 'fe80::67' };
  const group = ['33:33:00:00:00:01', from.mac] as const;
  const attack = {
    id: 'A14',
    reason: 'src_ip6',
    legal: (mark: Uint8Array) => [four(from, to, udp(6547, 6546, mark))],
  } as const;
  const icmp = (type: number) => (mark: Uint8Array) => [
    six(from, to, join([type, 0, 0, 0, 0, 0, 0, 0], mark), {
      macs: group,
      header: { src: own.src, dst: 'ff02::1', next: 58, hops: 255 },
    }),
  ];
  return [
    { ...attack, does: 'a datagram', hostile: (mark) => [six(from, to, udp(6547, 6546, mark), { header: own })] },
    { ...attack, does: 'a router advertisement', hostile: icmp(134) },
    { ...attack, does: 'a neighbour advertisement', hostile: icmp(136) },
    { ...attack, does: 'a router solicitation', hostile: icmp(133) },
    {
      ...attack,
      does: 'a DHCPv6 reply',
      hostile: (mark) => [six(from, to, udp(547, 546, mark), { header: own })],
    },
    {
      ...attack,
      does: 'IPv6 in IPv6',
      hostile: (mark) => [six(from, to, ip6(own, udp(1, 2, mark)), { header: { ...own, next: 41 } })],
    },
  ];
};
