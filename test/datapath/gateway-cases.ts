/** What `from_port` does with a gateway's packets: the controls show what it may and a port may not. */
import { arpAnswered, type Case, data, drop, everyone, m, ndAnswered, type Packet, port } from './case.ts';
import { arp, eth, icmp6, ip4, ip6, mac, solicit, solicitedMac, sourceMacOption } from './frames.ts';
import { linkLocal } from './world.ts';

/** What tenant A's gateway sends to one. */
const routed = (frame: Uint8Array): Packet => port(frame, { from: 4 });
const forwarded = (src: string, from = m.gateway): Packet =>
  routed(eth(m.one, from, 0x800, ip4({ src, dst: '10.0.0.1' }, data)));
const forwarded6 = (src: string): Packet =>
  routed(eth(m.one, m.gateway, 0x86dd, ip6({ src, dst: 'fd00::1', next: 17 }, data)));

export const fromGateway: Case[] = [
  drop(
    'src_mac',
    'a gateway with another MAC than its own',
    forwarded('198.51.100.7', m.two),
    forwarded('198.51.100.7'),
    {
      slot: 0,
    },
  ),
  drop('src_ip4', 'a gateway with no source address', forwarded('0.0.0.0'), forwarded('198.51.100.7'), { slot: 0 }),
  drop('src_ip6', 'a gateway with no source address', forwarded6('::'), forwarded6('2001:db8::7'), { slot: 0 }),
  drop(
    'arp_spoof',
    'a gateway with the sender MAC of a port',
    routed(eth(everyone, m.gateway, 0x806, arp({ senderMac: m.two, senderIp: '169.254.128.1', targetIp: '10.0.0.1' }))),
    routed(
      eth(everyone, m.gateway, 0x806, arp({ senderMac: m.gateway, senderIp: '169.254.128.1', targetIp: '10.0.0.1' })),
    ),
    { slot: 0, controlGives: arpAnswered },
  ),
  drop(
    'nd_forbidden',
    'a neighbour advertisement, of a gateway too',
    routed(
      eth(
        mac('33:33:00:00:00:01'),
        m.gateway,
        0x86dd,
        ip6(
          { src: linkLocal(9), dst: 'ff02::1', next: 58, hops: 255 },
          icmp6(linkLocal(9), 'ff02::1', 136, 0, new Uint8Array(20)),
        ),
      ),
    ),
    routed(
      eth(
        solicitedMac('fd00::1'),
        m.gateway,
        0x86dd,
        solicit({ src: 'fd68:6564:646c::1', target: 'fd00::1', options: sourceMacOption(m.gateway) }),
      ),
    ),
    { slot: 0, controlGives: ndAnswered },
  ),
];
