/** What passes between the underlay and this host. */
import { type Case, data, drop, everyone, m, type Packet, patched } from './case.ts';
import { arp, type Bytes, encapsulated, eth, ip4, ip6, join, type Outer, tcp, udp } from './frames.ts';
import { A } from './world.ts';

const wire = (inner: Uint8Array, o: Partial<Outer> = {}): Packet => ({
  program: 'from_underlay',
  frame: encapsulated({ src: '192.0.2.2', dst: '192.0.2.1', vni: A, ...o }, inner),
});
const inner = (src = '10.0.0.3', from = m.three, to = m.one, tos = 0): Bytes =>
  eth(to, from, 0x800, ip4({ src, dst: '10.0.0.1', tos }, data));
const goodWire = wire(inner());
const out = (frame: Uint8Array, mark?: number): Packet => ({
  program: 'to_underlay',
  frame,
  ...(mark === undefined ? {} : { mark }),
});
const local = (dport: number): Bytes =>
  eth(m.two, m.one, 0x800, ip4({ src: '192.0.2.1', dst: '192.0.2.2' }, udp(5000, dport, data)));

export const fromUnderlay: Case[] = [
  drop('vxlan_malformed', 'no I flag', patched(goodWire, 42, 0), goodWire),
  drop('vxlan_malformed', 'a reserved flag', patched(goodWire, 42, 0x88), goodWire),
  drop('vxlan_malformed', 'a reserved byte', patched(goodWire, 49, 1), goodWire),
  drop('vxlan_malformed', 'a UDP length that is not the packet’s', patched(goodWire, 38, 0, 9), goodWire),
  drop('vxlan_source', 'an outer source that is no VTEP (A16)', wire(inner(), { src: '203.0.113.9' }), goodWire),
  drop('vxlan_source', 'our own VTEP as outer source', wire(inner(), { src: '192.0.2.1' }), goodWire),
  drop(
    'inner_source',
    'a VNI that the sender does not hold (A16)',
    wire(inner('10.0.0.4', m.four), { vni: 77 }),
    goodWire,
  ),
  drop('inner_source', 'an inner source that nobody has', wire(inner('10.0.0.77')), goodWire),
  drop('inner_vtep', 'a port of another host (A16)', wire(inner('10.0.0.4', m.four)), goodWire),
  drop('inner_vtep', 'one of our own ports', wire(inner('10.0.0.2', m.two)), goodWire),
  drop(
    'inner_mac',
    'an inner MAC that is neither that port’s nor a gateway’s',
    wire(inner('10.0.0.3', m.four)),
    wire(inner('10.0.0.3', m.gateway)),
  ),
  drop(
    'inner_malformed',
    'ARP inside',
    wire(eth(everyone, m.three, 0x806, arp({ senderMac: m.three, senderIp: '10.0.0.3', targetIp: '10.0.0.1' }))),
    goodWire,
  ),
  drop(
    'inner_malformed',
    'a probe of the path, but in a network',
    wire(eth(m.one, m.three, 0x88b6, data)),
    wire(eth(m.one, m.three, 0x88b6, data), { vni: 0 }),
    { controlGives: { verdict: 'pass' } },
  ),
  drop('inner_malformed', 'a broadcast inside (A16)', wire(inner('10.0.0.3', m.three, everyone)), goodWire),
  drop('inner_malformed', 'an inner packet cut short', wire(inner().subarray(0, 30)), goodWire),
  drop('inner_unknown', 'an inner destination that is not here', wire(inner('10.0.0.3', m.three, m.four)), goodWire),
  drop(
    'ecn',
    'congestion marked outside a packet that is not ECN-capable',
    wire(inner(), { tos: 3 }),
    wire(inner('10.0.0.3', m.three, m.one, 2), { tos: 3 }),
    { slot: 1 },
  ),
  drop(
    'vxlan_malformed',
    'a frame on the VXLAN device that came through no tunnel',
    { program: 'from_vxlan', frame: inner() },
    goodWire,
  ),
];

const plain = out(local(4789));
export const toUnderlay: Case[] = [
  drop('unmarked', 'a local program’s datagram to the VXLAN port (A20)', plain, out(local(53)), {
    controlGives: { verdict: 'pass' },
  }),
  drop('unmarked', 'the same without the datapath’s mark', plain, out(local(4789), 0x48656464), {
    controlGives: { verdict: 'pass' },
  }),
  drop(
    'unmarked',
    'with IPv4 options',
    out(
      eth(
        m.two,
        m.one,
        0x800,
        ip4({ src: '192.0.2.1', dst: '192.0.2.2', options: [1, 1, 1, 1] }, udp(5000, 4789, data)),
      ),
    ),
    out(eth(m.two, m.one, 0x800, ip4({ src: '192.0.2.1', dst: '192.0.2.2', proto: 6 }, tcp(5000, 4789, data)))),
    { controlGives: { verdict: 'pass' } },
  ),
  drop(
    'unmarked',
    'over IPv6, behind an extension header',
    out(
      eth(
        m.two,
        m.one,
        0x86dd,
        ip6(
          { src: '2001:db8::1', dst: '2001:db8::5', next: 60 },
          join([17, 0, 0, 0, 0, 0, 0, 0], udp(5000, 4789, data)),
        ),
      ),
    ),
    out(eth(m.two, m.one, 0x86dd, ip6({ src: '2001:db8::1', dst: '2001:db8::5' }, udp(5000, 53, data)))),
    { controlGives: { verdict: 'pass' } },
  ),
];
