/**
 * Broadcasts in a network with a physical segment, on real devices: the programs are attached, frames come in by one device,
 * and what goes out by the others is read.
 */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { FLOOD_MAX, FLOOD_SENDER, FLOOD_SENDER_TAG, floodFlags, floodRow } from '../../src/datapath/layouts.ts';
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { everyone, m } from './case.ts';
import { type FloodStage, machine, type Name, openFloodStage, slots, VLAN } from './flood-stage.ts';
import {
  arp,
  type Bytes,
  be16,
  be32,
  checksum,
  encapsulated,
  eth,
  hex,
  icmp6,
  ip,
  ip4,
  ip6,
  join,
  mac,
  patch,
  read16,
  solicit,
  solicitedMac,
  sourceMacOption,
  udp,
  upperChecksum,
} from './frames.ts';
import type { Sent } from './wires.ts';
import { A, B, C, linkLocal } from './world.ts';

const now = () => process.hrtime.bigint();
const never = () => now() + 3_600_000_000_000n;

let s: FloodStage;
before(() => {
  s = openFloodStage();
});
after(() => s[Symbol.dispose]());
beforeEach(() => s.reset());

const tag = (frame: Uint8Array): Bytes => join(frame.subarray(0, 12), be16(0x8100), be16(VLAN), frame.subarray(12));
/** What came out, by device; of the NIC: by host, what was inside. */
function came(): Map<string, string[]> {
  const all = (Object.keys(s.wires) as Name[]).flatMap((n) =>
    s.wires[n].sent().map((out): [string, Uint8Array] => (n === 'nic' ? unpacked(out) : [n, out.frame])),
  );
  return new Map(
    Map.groupBy(all, ([n]) => n)
      .entries()
      .map(([n, frames]) => [n, frames.map(([, f]) => hex(f))]),
  );
}
function unpacked({ frame }: Sent): [string, Uint8Array] {
  assert.equal(hex(frame.subarray(26, 30)), hex(ip('192.0.2.1')));
  assert.equal(read16(frame, 36), 4789);
  const vni = read16(frame, 46) * 256 + frame[48]!;
  return [`host ${frame[33]} vni ${vni}`, frame.subarray(50)];
}
const everywhere = (frame: Uint8Array, ...but: string[]): Map<string, string[]> => {
  const all = [
    ...['one', 'two', 'cutter', `host 2 vni ${A}`, `host 3 vni ${A}`].map((n) => [n, frame] as const),
    ['seg', tag(frame)] as const,
  ];
  return new Map(all.filter(([n]) => !but.includes(n)).map(([n, f]) => [n, [hex(f)]]));
};
const sorted = (m: Map<string, string[]>) => Object.fromEntries([...m].toSorted());
/** Comes in by a device, and goes out by these and no other. */
function expectCopies(by: Name, frame: Uint8Array, want: Map<string, string[]>, reason: ReasonName, slot = 0): void {
  const before = s.tallied(slot, reason);
  s.wires[by].write(frame);
  assert.deepEqual(sorted(came()), sorted(want));
  assert.equal(s.tallied(slot, reason), before + 1, reason);
}

const data = udp(1000, 2000, [1, 2, 3, 4]);
const v6 = join(be16(1000), be16(2000), be16(12), [0, 0, 1, 2, 3, 4]);
const sum6 = (src: string, dst: string) => patch(v6, 6, ...be16(upperChecksum(ip(src), ip(dst), 17, v6)));
const hello = (src = '10.0.0.1', from = m.one, dst = '255.255.255.255') =>
  eth(everyone, from, 0x800, ip4({ src, dst }, data));
const question = (target: string, src = '10.0.0.1', from = m.one) =>
  eth(everyone, from, 0x806, arp({ senderMac: from, senderIp: src, targetIp: target }));
const look = (target: string, src = 'fd00::1', from = m.one) =>
  eth(solicitedMac(target), from, 0x86dd, solicit({ src, target, options: sourceMacOption(from) }));
const group6 = (dst: string, to: string, src = 'fd00::1') =>
  eth(mac(to), m.one, 0x86dd, ip6({ src, dst, next: 17 }, sum6(src, dst)));

/** To everybody, of one. */
const flooded: readonly (readonly [string, Bytes])[] = [
  ['a broadcast', hello()],
  ['a broadcast of the subnet', hello('10.0.0.1', m.one, '10.0.0.255')],
  ['a multicast', eth(mac('01:00:5e:00:00:fb'), m.one, 0x800, ip4({ src: '10.0.0.1', dst: '224.0.0.251' }, data))],
  [
    'a multicast whose address has the bit that its MAC has not',
    eth(mac('01:00:5e:01:02:03'), m.one, 0x800, ip4({ src: '10.0.0.1', dst: '239.129.2.3' }, data)),
  ],
  ['an IPv6 multicast', group6('ff02::fb', '33:33:00:00:00:fb')],
  ['an ARP question for nobody', question('10.0.0.99')],
  ['a neighbour solicitation for nobody', look('fd00::99')],
];
for (const [what, frame] of flooded)
  test(`${what} goes from a port to all others, and not back`, () => {
    expectCopies('one', frame, everywhere(frame, 'one'), 'flooded', slots.one);
    assert.equal(s.traffic(slots.one).tx, 1);
    assert.deepEqual(
      [slots.one, slots.two, slots.cutter, slots.seg].map((of) => s.traffic(of).rx),
      [0, 1, 1, 1],
    );
  });

test('a machine on the segment reaches everybody else, and its own wire hears it once', () => {
  for (const frame of [hello('10.0.0.10', machine), question('10.0.0.99', '10.0.0.10', machine)])
    expectCopies('seg', tag(frame), everywhere(frame, 'seg'), 'flooded', slots.seg);
});

const from = (host: number, inner: Uint8Array, vni = A): Bytes =>
  patch(encapsulated({ src: `192.0.2.${host}`, dst: '192.0.2.1', vni }, inner), 0, ...mac('02:00:00:00:01:01'));
/** The NIC’s softirq may be another’s turn. */
async function arrives(frame: Uint8Array, want: Map<string, string[]>, reason: ReasonName): Promise<void> {
  s.wires.nic.write(frame);
  while (s.tallied(0, reason) === 0) await wait(1);
  assert.deepEqual(sorted(came()), sorted(want));
}
const atHome = ['host 2 vni', 'host 3 vni'].map((h) => `${h} ${A}`);

for (const [what, frame] of [
  ['a broadcast', hello('10.0.0.3', m.three)],
  ['an ARP question', question('10.0.0.99', '10.0.0.3', m.three)],
  ['a neighbour solicitation', look('fd00::99', 'fd00::3', m.three)],
] as const)
  test(`${what} from another host goes to this host’s devices, and to no host`, { timeout: 60_000 }, async () => {
    await arrives(from(2, frame), everywhere(frame, ...atHome), 'flood_received');
  });

test('a gateway’s question comes from any host: each has its own', { timeout: 60_000 }, async () => {
  const frame = question('10.0.0.99', '10.0.0.254', m.gateway);
  await arrives(from(3, frame), everywhere(frame, ...atHome), 'flood_received');
});

test('a port that the other of its hosts sends for is believed; its own place here gets nothing back', {
  timeout: 60_000,
}, async () => {
  for (const frame of [hello('10.0.0.10', machine), question('10.0.0.99', '10.0.0.10', machine)]) {
    await arrives(from(2, frame), everywhere(frame, ...atHome, 'seg'), 'flood_received');
    s.reset();
  }
});

test('a copy for a device never counts as the datapath’s own, though one for a host does', () => {
  const frame = eth(everyone, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '255.255.255.255' }, udp(1000, 4789, [1])));
  expectCopies('one', frame, everywhere(frame, 'one', 'two'), 'flooded', slots.one);
  assert.equal(s.tallied(0, 'unmarked'), 1);
});

test('a segment whose gate is shut gets nothing', { timeout: 60_000 }, async () => {
  s.setGate(slots.seg, 1n);
  try {
    expectCopies('one', hello(), everywhere(hello(), 'one', 'seg'), 'flooded', slots.one);
    const frame = hello('10.0.0.3', m.three);
    await arrives(from(2, frame), everywhere(frame, ...atHome, 'seg'), 'flood_received');
  } finally {
    s.setGate(slots.seg, 0n);
  }
});

/** As only routers and hosts speak. */
function told(type: number, extended = false): Bytes {
  const message = icmp6(linkLocal(3), 'ff02::1', type, 0, new Uint8Array(20));
  const payload = extended ? join([58, 0, 1, 4, 0, 0, 0, 0], message) : message;
  const packet = ip6({ src: linkLocal(3), dst: 'ff02::1', next: extended ? 60 : 58, hops: 255 }, payload);
  return eth(mac('33:33:00:00:00:01'), m.three, 0x86dd, packet);
}

test('a gateway’s questions go to all in its network, and nothing else that it says; they take nothing from its ports', () => {
  s.setFrames(slots.door, never());
  s.setCopies(1, never());
  const frame = question('10.0.0.99', '10.0.0.254', m.gateway);
  expectCopies('door', frame, everywhere(frame), 'flooded', slots.door);
  expectCopies('door', hello('10.0.0.254', m.gateway), new Map(), 'broadcast', slots.door);
});

const refused: readonly (readonly [ReasonName, string, Uint8Array])[] = [
  ['inner_source', 'an address that nobody has', from(2, hello('10.0.0.99', m.three))],
  ['inner_source', 'a question of an address that nobody has', from(2, question('10.0.0.98', '10.0.0.99', m.three))],
  ['inner_source', 'a probe', from(2, question('10.0.0.98', '0.0.0.0', m.three))],
  ['inner_mac', 'a neighbour’s MAC', from(2, hello('10.0.0.3', m.four))],
  ['inner_mac', 'a gateway’s MAC', from(2, hello('10.0.0.3', m.gateway))],
  ['inner_mac', 'a question with a neighbour’s MAC', from(2, question('10.0.0.99', '10.0.0.3', m.four))],
  [
    'inner_mac',
    'a question whose frame has another MAC',
    from(2, patch(question('10.0.0.99', '10.0.0.3', m.three), 6, ...m.four)),
  ],
  ['inner_vtep', 'a port of another host', from(3, hello('10.0.0.3', m.three))],
  ['inner_vtep', 'a port of this host', from(2, hello())],
  ['inner_vtep', 'a question of a port of another host', from(3, question('10.0.0.99', '10.0.0.3', m.three))],
  ['vxlan_source', 'a host that is none', from(9, hello('10.0.0.3', m.three))],
  [
    'vxlan_source',
    'a gateway’s question from a host that is none',
    from(9, question('10.0.0.99', '10.0.0.254', m.gateway)),
  ],
  [
    'inner_malformed',
    'DHCP',
    from(
      2,
      eth(everyone, m.three, 0x800, ip4({ src: '10.0.0.3', dst: '255.255.255.255' }, udp(67, 68, new Uint8Array(240)))),
    ),
  ],
  ...[133, 134, 136, 137, 143].map(
    (type) => ['inner_malformed', `ICMPv6 of type ${type}`, from(2, told(type))] as const,
  ),
  ['inner_malformed', 'a header of IPv6 before that', from(2, told(134, true))],
  ['inner_malformed', 'a tag inside', from(2, tag(hello('10.0.0.3', m.three)))],
  [
    'inner_malformed',
    'an ARP answer',
    from(
      2,
      eth(everyone, m.three, 0x806, arp({ op: 2, senderMac: m.three, senderIp: '10.0.0.3', targetIp: '10.0.0.1' })),
    ),
  ],
  ['inner_malformed', 'a question to one', from(2, patch(question('10.0.0.99', '10.0.0.3', m.three), 0, 3))],
  [
    'inner_malformed',
    'a group’s MAC with another group’s address',
    from(2, eth(mac('01:00:5e:00:00:fc'), m.three, 0x800, ip4({ src: '10.0.0.3', dst: '224.0.0.251' }, data))),
  ],
  ['inner_malformed', 'everybody’s MAC with a port’s address', from(2, hello('10.0.0.3', m.three, '10.0.0.1'))],
  ['inner_malformed', 'neither IP nor ARP', from(2, eth(everyone, m.three, 0x88cc, new Uint8Array(50)))],
  ['inner_malformed', 'a network without a list', from(2, hello('10.0.0.3', m.three), C)],
];
for (const [reason, what, frame] of refused)
  test(`to everybody from another host, ${what}: dropped as ${reason}`, { timeout: 60_000 }, async () => {
    await arrives(frame, new Map(), reason);
    const good = hello('10.0.0.3', m.three);
    await arrives(from(2, good), everywhere(good, ...atHome), 'flood_received');
  });

const mld = (type: number) =>
  eth(
    mac('33:33:00:00:00:16'),
    m.one,
    0x86dd,
    ip6(
      { src: linkLocal(1), dst: 'ff02::16', next: 0 },
      join([58, 0, 5, 2, 0, 0, 1, 0], icmp6(linkLocal(1), 'ff02::16', type, 0, new Uint8Array(4))),
    ),
  );
/** Never, from a port. */
const kept: readonly (readonly [ReasonName, string, Uint8Array])[] = [
  [
    'multicast',
    'IGMP',
    eth(
      mac('01:00:5e:00:00:16'),
      m.one,
      0x800,
      ip4({ src: '10.0.0.1', dst: '224.0.0.22', proto: 2 }, new Uint8Array(8)),
    ),
  ],
  ...[130, 131, 132, 143].map((type) => ['multicast', `MLD, type ${type}`, mld(type)] as const),
  [
    'multicast',
    'a group’s MAC with another group’s address',
    eth(mac('01:00:5e:00:00:fc'), m.one, 0x800, ip4({ src: '10.0.0.1', dst: '224.0.0.251' }, data)),
  ],
  [
    'multicast',
    'a group’s MAC with an address of another second byte',
    eth(mac('01:00:5e:01:00:fb'), m.one, 0x800, ip4({ src: '10.0.0.1', dst: '224.0.0.251' }, data)),
  ],
  ['multicast', 'an IPv6 group’s MAC with another group’s address', group6('ff02::fb', '33:33:00:00:00:fc')],
  [
    'multicast',
    'a group’s MAC with a port’s address',
    eth(mac('01:00:5e:00:00:02'), m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.2' }, data)),
  ],
  ['multicast', 'an IPv6 group’s MAC with a port’s address', group6('fd00::2', '33:33:00:00:00:02')],
  ['broadcast', 'everybody’s MAC with a port’s address', hello('10.0.0.1', m.one, '10.0.0.2')],
  ['broadcast', 'everybody’s MAC with a group’s address', hello('10.0.0.1', m.one, '224.0.0.251')],
  ['arp_unknown', 'a probe for nobody’s address', question('10.0.0.99', '0.0.0.0')],
  ['arp_unknown', 'a question for nobody, to one', patch(question('10.0.0.99'), 0, ...m.two)],
  [
    'nd_unknown',
    'a probe for nobody’s IPv6 address',
    eth(solicitedMac('fd00::99'), m.one, 0x86dd, solicit({ src: '::', target: 'fd00::99' })),
  ],
  ['nd_unknown', 'a solicitation for nobody, to one', patch(look('fd00::99'), 0, ...m.two)],
  ['arp_gratuitous', 'an announcement', question('10.0.0.1')],
  [
    'arp_gratuitous',
    'an answer',
    eth(everyone, m.one, 0x806, arp({ op: 2, senderMac: m.one, senderIp: '10.0.0.1', targetIp: '10.0.0.1' })),
  ],
  ['arp_spoof', 'a question as another', question('10.0.0.99', '10.0.0.2')],
  ['src_ip4', 'a broadcast as another', hello('10.0.0.2')],
  ['src_mac', 'a broadcast with another’s MAC', hello('10.0.0.1', m.two)],
  [
    'broadcast',
    'a DHCP request with IPv4 options',
    eth(
      everyone,
      m.one,
      0x800,
      ip4({ src: '10.0.0.1', dst: '255.255.255.255', options: [1, 1, 1, 1] }, udp(68, 67, new Uint8Array(240))),
    ),
  ],
  [
    'multicast',
    'a DHCPv6 request to another group',
    eth(
      mac('33:33:00:01:00:03'),
      m.one,
      0x86dd,
      ip6({ src: linkLocal(1), dst: 'ff05::1:3', next: 17 }, join(be16(546), be16(547), be16(12), be16(0), be32(0))),
    ),
  ],
  [
    'dhcp_server',
    'a DHCP offer',
    eth(everyone, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '255.255.255.255' }, udp(67, 68, new Uint8Array(240)))),
  ],
  [
    'nd_forbidden',
    'a router advertisement',
    eth(
      mac('33:33:00:00:00:01'),
      m.one,
      0x86dd,
      ip6(
        { src: linkLocal(1), dst: 'ff02::1', next: 58, hops: 255 },
        icmp6(linkLocal(1), 'ff02::1', 134, 0, new Uint8Array(12)),
      ),
    ),
  ],
  ['ethertype', 'a spanning tree’s hello', join(mac('01:80:c2:00:00:00'), m.one, be16(38), new Uint8Array(46))],
];
for (const [reason, what, frame] of kept)
  test(`${what} goes nowhere: ${reason}`, () => expectCopies('one', frame, new Map(), reason, slots.one));

test('a DHCP request goes to the gateway of this host, and to nobody else', () => {
  const request = udp(68, 67, new Uint8Array(240));
  const frame = eth(everyone, m.one, 0x800, ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, request));
  expectCopies('one', frame, new Map([['door', [hex(frame)]]]), 'service_request', slots.one);
});

test('known addresses are answered in place', () => {
  s.wires.one.write(question('10.0.0.3'));
  assert.deepEqual([...came().keys()], ['one']);
  assert.equal(s.tallied(slots.one, 'arp_answered'), 1);
});

test('another network hears nothing: one without a list floods nothing, one with a list its own', () => {
  expectCopies('alone', hello(), new Map(), 'broadcast', slots.alone);
  expectCopies('alone', question('10.0.0.99'), new Map(), 'arp_unknown', slots.alone);
  expectCopies('other', hello(), new Map([[`host 2 vni ${B}`, [hex(hello())]]]), 'flooded', slots.other);
});

test('where ports share addresses and there is no segment, nobody else sends to them, nor in another VLAN', () => {
  const before = s.list(A);
  const rows = before.map((row) => floodRow.encode({ ...floodRow.decode(row), flags: floodFlags.SHARERS }));
  const sender = (slot: number, vlan: number) => ({
    index: FLOOD_SENDER + vlan * FLOOD_SENDER_TAG + slot,
    row: rows[1]!,
  });
  const advert = eth(
    mac('01:00:5e:00:00:12'),
    m.one,
    0x800,
    ip4({ src: '10.0.0.1', dst: '224.0.0.18', proto: 112 }, new Uint8Array(20)),
  );
  try {
    s.setList(A, rows, [sender(slots.two, 0), sender(slots.one, VLAN)]);
    expectCopies('one', advert, new Map(), 'multicast', slots.one);
    expectCopies('one', hello(), new Map(), 'broadcast', slots.one);
    expectCopies('one', question('10.0.0.99'), new Map(), 'arp_unknown', slots.one);
    expectCopies('one', look('fd00::99'), new Map(), 'nd_unknown', slots.one);
    const good = hello('10.0.0.2', m.two);
    expectCopies('two', good, everywhere(good, 'two'), 'flooded', slots.two);
    s.setList(A, rows, [sender(slots.one, 0)]);
    expectCopies('one', advert, everywhere(advert, 'one'), 'flooded', slots.one);
  } finally {
    s.setList(A, before);
  }
});

test('what is too large for one host’s path goes to the others; what is for the network, to nobody', () => {
  const sized = (n: number) =>
    eth(
      everyone,
      m.one,
      0x800,
      ip4({ src: '10.0.0.1', dst: '255.255.255.255' }, udp(1000, 2000, new Uint8Array(n - 28))),
    );
  expectCopies('one', sized(1401), everywhere(sized(1401), 'one', `host 3 vni ${A}`), 'too_big', slots.one);
  expectCopies('one', sized(1451), new Map(), 'too_big', slots.one);
});

test('what is behind a question counts, too', () => {
  const long = join(question('10.0.0.99'), new Uint8Array(1450));
  expectCopies('one', long, new Map(), 'too_big', slots.one);
  expectCopies('one', join(look('fd00::99'), new Uint8Array(1450)), new Map(), 'too_big', slots.one);
});

test('a packet that is still to be cut reaches each as that one takes it, with right checksums', () => {
  const payload = Uint8Array.from({ length: 4000 }, (_, i) => i * 7);
  const tcp = join(be16(1), be16(2), new Uint8Array(8), [0x50, 0x10, 1, 0], new Uint8Array(4), payload);
  const dst = '10.0.0.255';
  const whole = ip4({ src: '10.0.0.1', dst, proto: 6 }, tcp);
  const pseudo = join(ip('10.0.0.1'), ip(dst), be16(6), be16(tcp.length));
  const frame = patch(eth(everyone, m.one, 0x800, whole), 50, ...be16(checksum(pseudo) ^ 0xffff));
  const start = now();
  s.wires.one.write(frame, { gsoSize: 1000, headers: 54, l4: 34 });
  const [two] = s.wires.two.sent();
  assert.deepEqual([two!.gsoSize, two!.unsummed, hex(two!.frame)], [1000, true, hex(frame)]);
  const segment = s.wires.seg.sent();
  assert.deepEqual(
    segment.map(({ gsoSize, frame: out }) => [gsoSize, hex(out)]),
    [[1000, hex(tag(frame))]],
  );
  const cut = s.wires.cutter.sent();
  expectSegments(
    cut.map(({ frame: out }) => out),
    payload,
  );
  const outer = Map.groupBy(s.wires.nic.sent().map(unpacked), ([host]) => host);
  assert.deepEqual([...outer.keys()].toSorted(), atHome);
  for (const frames of outer.values())
    expectSegments(
      frames.map(([, f]) => f),
      payload,
    );
  assert.deepEqual(s.wires.one.sent(), []);
  assert.ok(s.copiesFull(1) >= start + 25n * 50_000n, 'five packets for each of five places');
  assert.equal(s.tallied(slots.one, 'flooded'), 1);
});

function expectSegments(frames: readonly Uint8Array[], payload: Uint8Array): void {
  assert.deepEqual(
    frames.map((f) => f.length),
    [1054, 1054, 1054, 1054],
  );
  assert.equal(hex(join(...frames.map((f) => f.subarray(54)))), hex(payload));
  for (const f of frames) {
    assert.equal(checksum(f.subarray(14, 34)), 0);
    assert.equal(upperChecksum(f.subarray(26, 30), f.subarray(30, 34), 6, f.subarray(34)), 0);
  }
}

test('a port has its bucket: 200 frames at once; then it waits, and others do not', () => {
  s.setFrames(slots.one, never());
  expectCopies('one', hello(), new Map(), 'flood_rate', slots.one);
  const other = hello('10.0.0.2', m.two);
  expectCopies('two', other, everywhere(other, 'two'), 'flooded', slots.two);
  s.setFrames(slots.one, 0n);
  const start = now();
  for (let i = 0; i < 300; i++) {
    s.setCopies(1, 0n);
    s.wires.one.write(hello());
  }
  const most = 200 + Number((now() - start) / 10_000_000n) + 1;
  const n = s.tallied(slots.one, 'flooded');
  assert.ok(n >= 200 && n <= most, `${n} of 300 flooded, at most ${most}`);
  assert.equal(n + s.tallied(slots.one, 'flood_rate'), 301);
});

test('a segment has ten times a port’s', () => {
  const start = now();
  for (let i = 0; i < 3000; i++) {
    s.setCopies(1, 0n);
    s.wires.seg.write(tag(hello('10.0.0.10', machine)));
  }
  const most = 2000 + Number((now() - start) / 1_000_000n) + 1;
  const n = s.tallied(slots.seg, 'flooded');
  assert.ok(n >= 2000 && n <= most, `${n} of 3000 flooded, at most ${most}`);
});

test('who floods a long list uses a quarter of what its network may', () => {
  const before = s.list(A);
  const two = before[2]!;
  s.setList(
    A,
    Array.from({ length: 200 }, () => two),
  );
  try {
    const start = now();
    s.wires.one.write(hello());
    const full = s.framesFull(slots.one);
    assert.ok(full >= start + 40_000_000n && full <= now() + 40_000_000n, '200 copies of 200 µs');
  } finally {
    s.setList(A, before);
  }
});

test('what would be cut into more packets than a port may send goes nowhere', () => {
  const tcp = join(be16(1), be16(2), new Uint8Array(8), [0x50, 0x10, 1, 0], new Uint8Array(1604));
  const frame = eth(everyone, m.one, 0x800, ip4({ src: '10.0.0.1', dst: '10.0.0.255', proto: 6 }, tcp));
  s.wires.one.write(frame, { gsoSize: 8, headers: 54, l4: 34 });
  assert.deepEqual(sorted(came()), {});
  assert.equal(s.tallied(slots.one, 'flood_rate'), 1);
});

test('a network pays for its copies, of each host its own', { timeout: 60_000 }, async () => {
  const start = now();
  s.wires.one.write(hello());
  const full = s.copiesFull(1);
  assert.ok(full >= start + 250_000n && full <= now() + 250_000n, '5 copies of 50 µs');
  came();
  s.setCopies(1, never());
  expectCopies('one', hello(), new Map(), 'flood_rate', slots.one);
  const inner = hello('10.0.0.3', m.three);
  await arrives(from(2, inner), everywhere(inner, ...atHome), 'flood_received');
  s.setCopies(2, never());
  await arrives(from(2, inner), new Map(), 'flood_rate');
});

test('a device of two VLANs of a network passes frames from one to the other', () => {
  const before = s.list(A);
  const tagged = floodRow.encode({ ...floodRow.decode(before[2]!), vlan: VLAN });
  s.setList(A, [tagged]);
  try {
    const frame = hello('10.0.0.2', m.two);
    expectCopies('two', frame, new Map([['two', [hex(tag(frame))]]]), 'flooded', slots.two);
  } finally {
    s.setList(A, before);
  }
});

test('a list of the longest length is gone through to its end', () => {
  const before = s.list(B);
  const nobody = floodRow.encode({ ifindex: 0, slot: 0, host: 9, vlan: 0, flags: 0 });
  const two = s.list(A)[2]!;
  s.setList(B, [...Array.from({ length: FLOOD_MAX - 1 }, () => nobody), two]);
  try {
    expectCopies('other', hello(), new Map([['two', [hex(hello())]]]), 'flooded', slots.other);
  } finally {
    s.setList(B, before);
  }
});
