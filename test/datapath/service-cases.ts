/** What `from_port` does with DHCP and router solicitations: to the host's own service, and no workload serves. */
import { type Case, drop, everyone, m, type Packet, patched, port } from './case.ts';
import { type Bytes, eth, icmp6, ip4, ip6, join, mac, udp } from './frames.ts';
import { linkLocal } from './world.ts';

const request = new Uint8Array(240);
const discover = (from = 68, to = 67, src = '0.0.0.0', dst = '255.255.255.255', payload = request): Bytes =>
  eth(everyone, m.one, 0x800, ip4({ src, dst }, udp(from, to, payload)));
const renewal = (src: string, to = m.gateway): Bytes =>
  eth(to, m.one, 0x800, ip4({ src, dst: '10.0.0.9' }, udp(68, 67, request)));
const allServers = mac('33:33:00:01:00:02');
const solicit6 = (from = 546, to = 547, src = linkLocal(1), dst = 'ff02::1:2', group = allServers): Bytes =>
  eth(group, m.one, 0x86dd, ip6({ src, dst, next: 17 }, udp(from, to, request)));
const allRouters = mac('33:33:00:00:00:02');
const routers = (src: string, dst = 'ff02::2', group = allRouters, hops = 255): Bytes =>
  eth(group, m.one, 0x86dd, ip6({ src, dst, next: 58, hops }, icmp6(src, dst, 133, 0, new Uint8Array(4))));
const advert = (to: Uint8Array, type: number): Packet =>
  port(
    eth(
      to,
      m.gateway,
      0x86dd,
      ip6(
        { src: linkLocal(9), dst: 'ff02::1', next: 58, hops: 255 },
        icmp6(linkLocal(9), 'ff02::1', type, 0, new Uint8Array(20)),
      ),
    ),
    { from: 4 },
  );

const served = { controlGives: { verdict: 'redirect', reason: 'service_request' } } as const;
const asks = (does: string, packet: Packet, control: Packet, gives: Case['controlGives']): Case => ({
  reason: 'service_request',
  does,
  packet,
  slot: 1,
  verdict: 'redirect',
  control,
  ...(gives && { controlGives: gives }),
});
const good = port(discover());
const good6 = port(solicit6());
const goodRouters = port(routers('::'));

/** Dropped, and answered. */
export const services: Case[] = [
  drop('dhcp_server', 'an offer to everybody (A5)', port(discover(67, 68, '10.0.0.1')), good, served),
  drop(
    'dhcp_server',
    'an offer to a neighbour, from a port of no server (A5)',
    port(eth(m.two, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp(6767, 68, request)))),
    port(eth(m.two, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp(6767, 6868, request)))),
  ),
  drop(
    'dhcp_server',
    'an offer behind IPv4 options, in a first fragment (A5, A10)',
    port(
      eth(
        m.two,
        m.one,
        0x800,
        ip4({ src: '10.0.0.1', dst: '10.0.0.2', fragment: 0x2000, options: [1, 1, 1, 1] }, udp(67, 68, request)),
      ),
    ),
    port(
      eth(
        m.two,
        m.one,
        0x800,
        ip4({ src: '10.0.0.1', dst: '10.0.0.2', fragment: 0x2000, options: [1, 1, 1, 1] }, udp(66, 69, request)),
      ),
    ),
  ),
  drop('dhcp_server', 'an advertisement of DHCPv6 (A5)', port(solicit6(547, 546)), good6, served),
  drop(
    'dhcp_server',
    'a reply of DHCPv6 to a neighbour, behind an extension header (A5)',
    port(
      eth(
        m.two,
        m.one,
        0x86dd,
        ip6({ src: 'fd00::1', dst: 'fd00::2', next: 60 }, join([17, 0, 0, 0, 0, 0, 0, 0], udp(547, 546, request))),
      ),
    ),
    port(
      eth(
        m.two,
        m.one,
        0x86dd,
        ip6({ src: 'fd00::1', dst: 'fd00::2', next: 60 }, join([17, 0, 0, 0, 0, 0, 0, 0], udp(548, 545, request))),
      ),
    ),
  ),
  drop('service_none', 'a request in a network without a gateway', { ...good, from: 2 }, good, { slot: 3, ...served }),
  drop('service_rate', 'a request too many', { ...good, exhausted: true }, good, served),
  drop('service_rate', 'a router solicitation too many', { ...goodRouters, exhausted: true }, goodRouters, served),
  drop('src_ip4', 'a DHCP request as a neighbour', port(discover(68, 67, '10.0.0.2')), good, served),
  drop('src_ip4', 'a DHCP request in fragments', patched(good, 20, 0x20, 0), good, served),
  drop('src_ip4', 'a renewal as a neighbour', port(renewal('10.0.0.2')), port(renewal('10.0.0.1')), served),
  drop('src_ip6', 'a DHCPv6 request as a neighbour', port(solicit6(546, 547, 'fd00::2')), good6, served),
  drop('broadcast', 'a renewal to everybody on the subnet', port(renewal('10.0.0.1', everyone)), good, served),
  drop(
    'multicast',
    'a DHCPv6 request to another group',
    port(solicit6(546, 547, linkLocal(1), 'ff02::1:3', mac('33:33:00:01:00:03'))),
    good6,
    served,
  ),
  drop(
    'nd_malformed',
    'a router solicitation from afar',
    port(routers('::', 'ff02::2', allRouters, 64)),
    goodRouters,
    served,
  ),
  drop('nd_spoof', 'a router solicitation as a neighbour', port(routers('fd00::2')), port(routers('fd00::1')), served),
  drop(
    'nd_forbidden',
    'a router solicitation to everybody',
    port(routers('::', 'ff02::1', mac('33:33:00:00:00:01'))),
    goodRouters,
    served,
  ),
  drop('nd_forbidden', 'a redirect, of a gateway too', advert(m.one, 137), advert(m.one, 134), { slot: 0 }),
  drop('multicast', 'a router advertisement to everybody', advert(mac('33:33:00:00:00:01'), 134), advert(m.one, 134), {
    slot: 0,
  }),
  asks('a DHCP request of who has no address yet', good, port(discover(68, 66)), {
    verdict: 'drop',
    reason: 'src_ip4',
  }),
  asks('a renewal at the gateway', port(renewal('10.0.0.11')), port(renewal('10.0.0.1', m.two)), undefined),
  asks(
    'a DHCPv6 request of a link-local address of its own making',
    port(solicit6(546, 547, 'fe80::1234')),
    port(solicit6(546, 548)),
    {
      verdict: 'drop',
      reason: 'multicast',
    },
  ),
  asks('a router solicitation', goodRouters, port(routers('::', 'ff02::1', mac('33:33:00:00:00:01'))), {
    verdict: 'drop',
    reason: 'nd_forbidden',
  }),
];
