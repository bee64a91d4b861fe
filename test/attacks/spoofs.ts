/** A1 to A4: as somebody else, by source address, by MAC, in ARP and in neighbour discovery. */
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { arp, be16, be32, eth, icmp6, ip, ip6, join, mac, udp } from '../datapath/frames.ts';
import { hostAddress } from '../gateway/town.ts';
import { type Attack, type Attacks, datagram, four, type Marked, six } from './attack.ts';
import { gateway } from './scene.ts';

const own = hostAddress(1);
const somebody4 = [gateway.ip4, own.v4, '127.0.0.1', '224.0.0.1', '0.0.0.0', '255.255.255.255'];
const somebody6 = [gateway.ip6, own.v6, '::1', 'ff02::1', '::', 'fe80::66'];

export const byOthersMacs: Attacks = (from, to) =>
  [to.mac, gateway.mac, '02:66:00:00:00:01', '01:00:5e:00:00:01', 'ff:ff:ff:ff:ff:ff'].map((one) => ({
    ...{ id: 'A2', does: `by ${one}`, reason: 'src_mac', legal: datagram(from, to) },
    hostile: (mark) => [four(from, to, udp(6767, 6868, mark), { macs: [to.mac, one] })],
  }));

export const asOthers: Attacks = (from, to) => {
  const payload = (mark: Uint8Array) => udp(6767, 6868, mark);
  const legal6: Marked = (mark) => [six(from, to, payload(mark))];
  const attack = (
    id: string,
    does: string,
    reason: ReasonName,
    hostile: Marked,
    legal = datagram(from, to),
  ): Attack => ({
    ...{ id, does, reason, hostile, legal },
  });
  return [
    ...[to.ip4, ...somebody4].map((src) =>
      attack('A1', `as ${src}`, 'src_ip4', (mark) => [four(from, to, payload(mark), { header: { src } })]),
    ),
    ...[to.ip6, ...somebody6].map((src) =>
      attack('A1', `as ${src}`, 'src_ip6', (mark) => [six(from, to, payload(mark), { header: { src } })], legal6),
    ),
  ];
};

export const askingAsOthers: Attacks = (from, to) => {
  const group = mac('33:33:00:00:00:01');
  const attack = (id: string, does: string, reason: ReasonName, hostile: Marked): Attack => ({
    ...{ id, does, reason, hostile, legal: datagram(from, to) },
  });
  const says = (lie: Partial<Parameters<typeof arp>[0]>): Marked => {
    const whole = arp({ senderMac: mac(from.mac), senderIp: from.ip4, targetIp: to.ip4, ...lie });
    return (mark) => [eth(mac('ff:ff:ff:ff:ff:ff'), mac(from.mac), 0x806, join(whole, mark))];
  };
  const nd = (type: number, src: string, body: ArrayLike<number>): Marked => {
    return (mark) => {
      const message = icmp6(src, 'ff02::1', type, 0, join(body, [253, 2], mark, [0, 0]));
      return [eth(group, mac(from.mac), 0x86dd, ip6({ src, dst: 'ff02::1', next: 58, hops: 255 }, message))];
    };
  };
  const target = (address: string): Uint8Array => join(be32(0x20000000), ip(address), [2, 1], mac(from.mac));
  return [
    attack('A3', 'a reply for the gateway', 'arp_spoof', says({ op: 2, senderIp: gateway.ip4 })),
    attack('A3', 'a reply for a neighbour', 'arp_spoof', says({ op: 2, senderIp: to.ip4 })),
    attack('A3', 'a neighbour’s announcement', 'arp_spoof', says({ senderIp: to.ip4 })),
    attack('A3', 'a question with another’s MAC inside', 'arp_spoof', says({ senderMac: mac(to.mac) })),
    attack('A4', 'an advertisement for a neighbour', 'nd_forbidden', nd(136, to.ip6, target(to.ip6))),
    attack('A4', 'a router’s', 'nd_forbidden', nd(134, from.ip6, join([64, 0], be16(1800), be32(0), be32(0)))),
    attack('A4', 'a redirect', 'nd_forbidden', nd(137, gateway.ip6, join(be32(0), ip(from.ip6), ip(to.ip6)))),
  ];
};
