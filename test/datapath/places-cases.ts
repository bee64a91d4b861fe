/** What happens to ports that share a device, and to ports that two hosts have. */
import { helloGroup } from '../../src/model/address.ts';
import { arpAnswered, type Case, data, drop, everyone, m, type Packet, patched, port } from './case.ts';
import {
  arp,
  type Bytes,
  be16,
  encapsulated,
  eth,
  ip4,
  ip6,
  join,
  mac,
  solicit,
  solicitedMac,
  sourceMacOption,
  tcp,
  udp,
} from './frames.ts';
import { tagged } from './packets.ts';
import { placeIndex, placeSlots } from './places.ts';
import { A, macs } from './world.ts';

const {
  trunk,
  nested,
  tagged: inVlan,
  twin,
  machine,
  printer,
  segment,
  guest,
  gone,
  came,
  slow,
  lost,
  abroad,
  idle,
  away,
  nowhere,
  settled,
} = macs;
const to = (dst: Uint8Array | string, dstIp: string, from: string, src: string): Bytes =>
  eth(typeof dst === 'string' ? mac(dst) : dst, mac(from), 0x800, ip4({ src, dst: dstIp }, data));
const toOne = (from: string, src: string): Bytes => to(m.one, '10.0.0.1', from, src);

const byTrunk = (frame: Uint8Array): Packet => port(frame, { from: placeIndex.trunk });
const byNic = (frame: Uint8Array, from = placeIndex.machine): Packet => ({ program: 'from_segment', frame, from });
const behind = (reason: Case['reason'], does: string, packet: Packet, control: Packet, more: Partial<Case> = {}) =>
  drop(reason, does, packet, control, { slot: placeSlots.trunk, ...more });
const onSegment = (reason: Case['reason'], does: string, packet: Packet, control: Packet, more: Partial<Case> = {}) =>
  drop(reason, does, packet, control, { slot: placeSlots.segment, ...more });

const own = byTrunk(toOne(trunk, '10.0.0.20'));
const nestedOwn = byTrunk(toOne(nested, '10.0.0.21'));
const inTen = eth(m.seven, mac(trunk), 0x800, ip4({ src: '10.1.0.22', dst: '10.1.0.7' }, data));
const inTwenty = toOne(inVlan, '10.0.0.23');
const asks = (from: string, senderIp: string, targetIp: string): Bytes =>
  eth(everyone, mac(from), 0x806, arp({ senderMac: mac(from), senderIp, targetIp }));
const looks = (from: string, src: string, target: string): Bytes =>
  eth(solicitedMac(target), mac(from), 0x86dd, solicit({ src, target, options: sourceMacOption(mac(from)) }));
const qinq = (frame: Uint8Array): Bytes => join(frame.subarray(0, 12), be16(0x88a8), be16(20), frame.subarray(12));

const stations: Case[] = [
  behind('station', 'a MAC of another VLAN', byTrunk(tagged(inTwenty, 10)), byTrunk(tagged(inTwenty, 20))),
  behind('station', 'a VLAN that nobody has', byTrunk(tagged(inTen, 11)), byTrunk(tagged(inTen, 10))),
  behind('vlan', 'a priority’s tag, which names no VLAN', byTrunk(tagged(own.frame, 0)), own),
  behind('vlan', 'two tags', byTrunk(tagged(inTwenty, 20, 20)), byTrunk(tagged(inTwenty, 20))),
  behind('vlan', 'a provider’s tag', byTrunk(qinq(inTwenty)), byTrunk(tagged(inTwenty, 20))),
  drop(
    'vlan',
    'a tag on a port that has none behind it',
    port(tagged(toOne(macs.two, '10.0.0.2'), 20), { from: 1 }),
    port(toOne(macs.two, '10.0.0.2'), { from: 1 }),
    { slot: 2 },
  ),
  behind('src_mac', 'a MAC that is not behind the port', byTrunk(toOne(machine, '10.0.0.31')), nestedOwn),
  behind('src_mac', 'a tagged port’s MAC without the tag', byTrunk(inTwenty), byTrunk(tagged(inTwenty, 20))),
  behind('src_ip4', 'the address of the port in front', byTrunk(toOne(nested, '10.0.0.20')), nestedOwn),
  behind('src_ip4', 'the address of a port behind', byTrunk(toOne(trunk, '10.0.0.21')), own),
  behind('src_ip4', 'its address of another VLAN', byTrunk(toOne(trunk, '10.1.0.22')), own),
  behind(
    'same_segment',
    'to who is behind the same device',
    byTrunk(to(nested, '10.0.0.21', trunk, '10.0.0.20')),
    byTrunk(to(inVlan, '10.0.0.23', trunk, '10.0.0.20')),
  ),
  behind(
    'same_segment',
    'to who is in the same VLAN there',
    byTrunk(tagged(to(twin, '10.0.0.24', inVlan, '10.0.0.23'), 20)),
    byTrunk(tagged(to(nested, '10.0.0.21', inVlan, '10.0.0.23'), 20)),
  ),
  behind(
    'same_segment',
    'a question for who hears it',
    byTrunk(asks(trunk, '10.0.0.20', '10.0.0.21')),
    byTrunk(asks(trunk, '10.0.0.20', '10.0.0.23')),
    { controlGives: arpAnswered },
  ),
  behind(
    'same_segment',
    'a question for who hears it, IPv6',
    byTrunk(looks(trunk, 'fd00::20', 'fd00::21')),
    byTrunk(looks(trunk, 'fd00::20', 'fd00::23')),
    { controlGives: { verdict: 'redirect', reason: 'nd_answered' } },
  ),
  onSegment(
    'same_segment',
    'to a neighbour on the segment',
    byNic(to(printer, '10.0.0.32', machine, '10.0.0.31')),
    byNic(toOne(machine, '10.0.0.31')),
  ),
  onSegment(
    'same_segment',
    'a question for a neighbour on the segment',
    byNic(asks(machine, '10.0.0.31', '10.0.0.32')),
    byNic(asks(machine, '10.0.0.31', '10.0.0.1')),
    { controlGives: arpAnswered },
  ),
  onSegment(
    'src_mac',
    'a machine that nobody knows',
    byNic(toOne(nested, '10.0.0.31')),
    byNic(toOne(machine, '10.0.0.31')),
  ),
  onSegment(
    'src_mac',
    'no MAC, as the segment’s row has',
    byNic(toOne('00:00:00:00:00:00', '10.0.0.31')),
    byNic(toOne(machine, '10.0.0.31')),
  ),
  onSegment('src_ip4', 'a neighbour’s address', byNic(toOne(machine, '10.0.0.32')), byNic(toOne(machine, '10.0.0.31'))),
  onSegment('src_ip4', 'an address of nobody', byNic(toOne(machine, '10.0.0.77')), byNic(toOne(machine, '10.0.0.31'))),
  onSegment(
    'vlan',
    'two tags',
    byNic(tagged(toOne(machine, '10.0.0.31'), 30, 30)),
    byNic(tagged(toOne(machine, '10.0.0.31'), 30)),
    { slot: placeSlots.other },
  ),
  onSegment(
    'src_mac',
    'a machine of another VLAN',
    byNic(tagged(toOne(printer, '10.0.0.32'), 30)),
    byNic(toOne(printer, '10.0.0.32')),
    { slot: placeSlots.other },
  ),
  onSegment(
    'standby',
    'a machine where another host takes its frames',
    byNic(toOne(machine, '10.0.0.31'), placeIndex.standby),
    byNic(toOne(machine, '10.0.0.31')),
    { slot: placeSlots.standby },
  ),
  onSegment(
    'src_mac',
    'a machine that nobody knows; the host’s own tags pass',
    byNic(toOne(nested, '10.0.0.31')),
    byNic(tagged(toOne(nested, '10.0.0.31'), 31)),
    { controlGives: { verdict: 'pass' } },
  ),
];

/** From a host's VTEP, by a port of network A. */
const wire = (host: number, from: Uint8Array | string, src: string, dst: string, dstIp: string, size = 0): Packet => ({
  program: 'from_underlay',
  frame: encapsulated(
    { src: `192.0.2.${host}`, dst: '192.0.2.1', vni: A },
    eth(
      mac(dst),
      typeof from === 'string' ? mac(from) : from,
      0x800,
      ip4({ src, dst: dstIp }, size ? new Uint8Array(size - 20) : data),
    ),
  ),
});
/** Three is on host 2, four on host 3. */
const three = (dst: string, ip: string, host = 2, size = 0) => wire(host, m.three, '10.0.0.3', dst, ip, size);
const four = (dst: string, ip: string, host = 3) => wire(host, m.four, '10.0.0.4', dst, ip);
const six = (dst: string): Packet => ({
  program: 'from_underlay',
  frame: encapsulated(
    { src: '192.0.2.3', dst: '192.0.2.1', vni: A },
    eth(mac(dst), m.four, 0x86dd, ip6({ src: 'fd00::4', dst: 'fd00::41' }, data)),
  ),
});
const pass = { controlGives: { verdict: 'pass' } } as const;
const relayed = { controlGives: { verdict: 'redirect', reason: 'relayed' } } as const;
const event = (does: string, packet: Packet, control: Packet, slot = 0): Case => ({
  ...{ reason: 'relayed', does, packet, control, slot, verdict: 'redirect' },
  controlGives: { verdict: 'drop', reason: 'inner_unknown' },
});

const twoHosts: Case[] = [
  event('for a port that has gone to another host', four(gone, '10.0.0.41'), three(gone, '10.0.0.41')),
  event('for a port that has gone to another host, IPv6', six(gone), three(gone, '10.0.0.41')),
  event(
    'for a port that is wired here and on another host',
    four(guest, '10.0.0.40'),
    three(gone, '10.0.0.41'),
    placeSlots.guest,
  ),
  drop('inner_unknown', 'sent by the host that it would go on to', three(gone, '10.0.0.41'), three(guest, '10.0.0.40')),
  drop(
    'inner_unknown',
    'sent on already, as its TTL says',
    patched(four(gone, '10.0.0.41'), 22, 32),
    patched(four(gone, '10.0.0.41'), 22, 33),
    relayed,
  ),
  drop(
    'inner_vtep',
    'sent on already, to a host that has not the port',
    four(gone, '10.0.0.41', 2),
    four(guest, '10.0.0.40', 2),
  ),
  drop(
    'inner_vtep',
    'a stranger’s, to a port that its own standby sends on to',
    four(came, '10.0.0.42', 2),
    three(came, '10.0.0.42', 3),
  ),
  drop(
    'inner_vtep',
    'sent on for a port that has one host',
    three(macs.one, '10.0.0.1', 3),
    three(came, '10.0.0.42', 3),
  ),
  drop(
    'inner_vtep',
    'a port with two hosts, from a third',
    wire(2, came, '10.0.0.42', macs.one, '10.0.0.1'),
    wire(3, came, '10.0.0.42', macs.one, '10.0.0.1'),
  ),
  drop(
    'inner_vtep',
    'a port with one host, from another',
    four(macs.one, '10.0.0.1', 2),
    wire(2, abroad, '10.0.0.45', macs.one, '10.0.0.1'),
  ),
  drop(
    'inner_mac',
    'another MAC on the way of a port that moves',
    wire(3, m.five, '10.0.0.3', came, '10.0.0.42'),
    three(came, '10.0.0.42', 3),
  ),
  drop(
    'inner_source',
    'an address of nobody on the way of a port that moves',
    wire(3, m.three, '10.0.0.77', came, '10.0.0.42'),
    three(came, '10.0.0.42', 3),
  ),
  drop(
    'too_big',
    'larger than the way to the port’s new host',
    three(slow, '10.0.0.43', 2, 1401),
    three(slow, '10.0.0.43', 2, 1400),
    { slot: 0, ...pass },
  ),
  drop(
    'vtep_unknown',
    'a port that has gone to a host without a VTEP',
    three(lost, '10.0.0.44'),
    four(gone, '10.0.0.41'),
    relayed,
  ),
  drop(
    'encap_failed',
    'the slow way to the port’s new host without a VXLAN device',
    { ...three(slow, '10.0.0.43'), noVxlan: true },
    three(slow, '10.0.0.43'),
    pass,
  ),
];

/** Machines on segments: of one that host 2 forwards for and this one stands by, and of one elsewhere. */
const atPlaces: Case[] = [
  event(
    'for a machine whose segment another host forwards for',
    four(idle, '10.0.0.50'),
    three(gone, '10.0.0.41'),
    placeSlots.standby,
  ),
  drop(
    'inner_vtep',
    'sent on by a host that is not the segment’s other one',
    three(idle, '10.0.0.50', 3),
    three(machine, '10.0.0.31', 3),
  ),
  drop(
    'inner_vtep',
    'a machine, from a host that does not serve its segment',
    wire(2, away, '10.0.0.51', macs.one, '10.0.0.1'),
    wire(3, away, '10.0.0.51', macs.one, '10.0.0.1'),
  ),
  drop(
    'inner_vtep',
    'a machine of this host’s segment, from a host that is not its standby',
    wire(2, machine, '10.0.0.31', macs.one, '10.0.0.1'),
    wire(3, machine, '10.0.0.31', macs.one, '10.0.0.1'),
  ),
  drop(
    'inner_vtep',
    'a machine of a segment that nobody serves',
    wire(3, nowhere, '10.0.0.52', macs.one, '10.0.0.1'),
    wire(3, away, '10.0.0.51', macs.one, '10.0.0.1'),
  ),
  drop(
    'vtep_unknown',
    'to a machine of a segment that nobody serves',
    port(to(nowhere, '10.0.0.52', macs.one, '10.0.0.1')),
    port(to(away, '10.0.0.51', macs.one, '10.0.0.1')),
    { slot: 1, controlGives: { verdict: 'redirect', reason: 'slow_tx' } },
  ),
];

/** What a port that has come from host 2 sends to its gateway. */
const out = (
  segment: Bytes,
  from: 'settled' | 'came' | 'guest' = 'settled',
  at = { settled: 46, came: 42, guest: 40 }[from],
) =>
  port(eth(m.gateway, mac(macs[from]), 0x800, ip4({ src: `10.0.0.${at}`, dst: '198.51.100.7', proto: 6 }, segment)), {
    from: placeIndex[from],
  });
const out6 = (segment: Bytes): Packet =>
  port(eth(m.gateway, mac(settled), 0x86dd, ip6({ src: 'fd00::46', dst: '2001:db8::7', next: 6 }, segment)), {
    from: placeIndex.settled,
  });
const outUdp6 = (next: number, ...headers: Bytes[]): Packet =>
  port(
    eth(
      m.gateway,
      mac(settled),
      0x86dd,
      ip6({ src: 'fd00::46', dst: '2001:db8::7', next }, join(...headers, udp(40_000, 4_433))),
    ),
    { from: placeIndex.settled },
  );
const outUdp = (to: number, dst = '198.51.100.7'): Packet =>
  port(eth(m.gateway, mac(settled), 0x800, ip4({ src: '10.0.0.46', dst }, udp(40_000, to))), {
    from: placeIndex.settled,
  });
const established = tcp(40000, 443);
const [SYN, SYN_ACK, RST] = [0x02, 0x12, 0x04].map((flags) => tcp(40000, 443, [], flags)) as [Bytes, Bytes, Bytes];
const toOrigin = (does: string, packet: Packet, control: Packet): Case => ({
  ...{ reason: 'to_origin', does, packet, control, verdict: 'redirect' },
  slot: packet.from === placeIndex.guest ? placeSlots.guest : placeSlots.settled,
});
/** From outside, by the gateway of a host. */
const back = (host: number, src = '198.51.100.7', from: Uint8Array = m.gateway, to = settled) =>
  wire(host, from, src, to, '10.0.0.46');

const connections: Case[] = [
  toOrigin('of a connection that did not begin here', out(established), out(SYN)),
  toOrigin('of a connection that did not begin here, IPv6', out6(established), out6(SYN)),
  toOrigin('the end of such a one', out(RST), out(SYN_ACK)),
  toOrigin('of a port that stands by, whose guest speaks', out(established, 'guest'), out(established, 'came')),
  toOrigin('to its gateway; but not to others', out(established), {
    ...out(established),
    frame: eth(m.one, mac(settled), 0x800, ip4({ src: '10.0.0.46', dst: '10.0.0.1', proto: 6 }, established)),
  }),
  toOrigin('UDP, when it has just come; but no questions for names', outUdp(4_433), outUdp(53)),
  toOrigin('UDP to the outside; but not to what the network has', outUdp(4_433), outUdp(4_433, '10.0.0.1')),
  toOrigin(
    'UDP, IPv6; but not behind another header',
    outUdp6(17),
    outUdp6(60, Uint8Array.of(17, 0, 1, 4, 0, 0, 0, 0)),
  ),
  drop('inner_source', 'from outside, by another host than the port has come from', back(3), back(2)),
  drop(
    'inner_source',
    'from outside, to a port that has come from nowhere',
    back(2, undefined, m.gateway, came),
    back(2),
  ),
  drop(
    'inner_source',
    'from outside, by the port’s origin, and not by its gateway',
    back(2, undefined, m.three),
    back(2),
  ),
];

export const places: readonly Case[] = [...stations, ...twoHosts, ...atPlaces, ...connections];
/** What a host on the segment says to another. */
export const hello: Packet = byNic(to(helloGroup, '10.0.0.1', segment, '10.0.0.31'));
