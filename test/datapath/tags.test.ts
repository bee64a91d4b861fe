/** Tags and moved ports on real devices: frames come in by one device, and what goes out by the others is read. */
import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { gateRow, indexKey } from '../../src/datapath/layouts.ts';
import { everyone, m } from './case.ts';
import {
  arp,
  type Bytes,
  be16,
  checksum,
  encapsulated,
  eth,
  hex,
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
  tcp,
  udp,
  upperChecksum,
} from './frames.ts';
import { tagged } from './packets.ts';
import { openTapHost, type TapHost } from './tap-host.ts';
import { A, D, linkLocal, macs, type PortSpec, routerOfA, type StationSpec, type World } from './world.ts';

type Name = 'one' | 'trunk' | 'cutter' | 'seg' | 'guest' | 'nic' | 'side';
let h: TapHost<Name>;
before(() => {
  h = openTapHost(
    {
      one: { program: 'from_port' },
      trunk: { program: 'from_port' },
      cutter: { program: 'from_port', cuts: true },
      seg: { program: 'from_segment', cuts: true },
      guest: { program: 'from_port' },
      nic: { program: 'from_underlay', egress: 'to_underlay', cuts: true },
      side: {},
    },
    worldOf,
  );
});
after(() => h[Symbol.dispose]());
beforeEach(() => h.reset());

/**
 * One is alone on its tap. What comes by the side sees no program of ours before the VXLAN device. Behind another tap are ports of A (VLAN 20) and of D (10), behind a third one of A; on a NIC's VLAN
 * 30 is a machine. Three is on host 2; gone has moved there, and slow to host 3; guest is wired here, and on host 2.
 */
function worldOf(ifindexOf: (dev: Name | 'vx') => number): World {
  const at = (dev: Name, slot: number, vni: number, address: string, n: number) => ({
    ...{ ifindex: ifindexOf(dev), slot, vni, mac: address, mtu: 1450, ip4: `10.${vni === D ? 1 : 0}.0.${n}` },
    ...{ ip6: `fd0${vni === D ? 1 : 0}::${n}`, domain: routerOfA },
  });
  const ports: PortSpec[] = [
    at('one', 1, A, macs.one, 1),
    { ...at('trunk', 2, A, macs.trunk, 20), trunk: true },
    { ...at('trunk', 2, A, macs.tagged, 23), behind: true, vlan: 20 },
    { ...at('trunk', 2, A, macs.twin, 24), behind: true, vlan: 20 },
    { ...at('trunk', 3, D, macs.trunk, 22), behind: true, vlan: 10, mtu: 1300 },
    { ...at('cutter', 4, A, macs.two, 2), trunk: true },
    { ...at('cutter', 4, A, macs.nested, 21), behind: true, vlan: 40 },
    { ...at('seg', 5, A, macs.machine, 31), behind: true, vlan: 30 },
  ];
  const segment = { ifindex: ifindexOf('seg'), slot: 5, vni: A, mac: macs.segment, mtu: 1450, segment: true, vlan: 30 };
  const guest = { ...at('guest', 6, A, macs.guest, 40), standsBy: true };
  const here = ports.map((p) => ({
    ...p,
    ips: [p.ip4!, p.ip6!, linkLocal(Number(p.ip4!.split('.')[3]))],
    host: 1,
    tap: true,
    segment: p.vlan === 30,
  }));
  const away = (n: number, address: string, host: number, relay?: StationSpec['relay']): StationSpec => ({
    ...{ vni: A, mac: address, ips: [`10.0.0.${n}`, `fd00::${n}`], host },
    ...(relay && { relay, other: 1 }),
  });
  const connected = (vni: number) => ({ domain: routerOfA, action: 'CONNECTED', vni, mtu: 1300 }) as const;
  return {
    ...{ self: 1, vtep: '192.0.2.1', udpPort: 4789, vxlanIfindex: ifindexOf('vx') },
    ports: [...ports, guest, segment],
    stations: [
      ...here,
      away(3, macs.three, 2),
      away(4, macs.four, 3),
      away(41, macs.gone, 2, true),
      away(43, macs.slow, 3, true),
      away(40, macs.guest, 2, { ifindex: ifindexOf('guest'), slot: 6 }),
    ],
    vteps: [
      { host: 2, remote: '192.0.2.2', fast: true, mtu: 1450, ifindex: ifindexOf('nic') },
      { host: 3, remote: '192.0.2.3', fast: false, mtu: 1400 },
    ],
    routes: [
      { ...connected(A), prefix: '10.0.0.0/24', ip: '10.0.0.9' },
      { ...connected(D), prefix: '10.1.0.0/24', ip: '10.1.0.9' },
    ],
  };
}

/** What came out, by device; nothing else did. */
function came(): Partial<Record<Name, string[]>> {
  const all = Object.entries(h.wires).map(([n, wire]) => [n, wire.sent().map(({ frame }) => hex(frame))] as const);
  return Object.fromEntries(all.filter(([, frames]) => frames.length > 0));
}
const word = udp(1000, 2000, [1, 2, 3, 4]);
const packet = (to: string, from: string, dst: string, src: string, ttl = 64): Bytes =>
  eth(mac(to), mac(from), 0x800, ip4({ src, dst, ttl }, word));

test('who is behind a port sends with its tag, and gets what is for it with the same', () => {
  const out = packet(macs.one, macs.tagged, '10.0.0.1', '10.0.0.23');
  h.wires.trunk.write(tagged(out, 20));
  assert.deepEqual(came(), { one: [hex(out)] });
  const back = packet(macs.tagged, macs.one, '10.0.0.23', '10.0.0.1');
  h.wires.one.write(back);
  assert.deepEqual(came(), { trunk: [hex(tagged(back, 20))] });
  assert.deepEqual(h.tally(), {});
});

test('the port in front sends and gets without a tag, as ever', () => {
  const out = packet(macs.one, macs.trunk, '10.0.0.1', '10.0.0.20');
  h.wires.trunk.write(out);
  const back = packet(macs.trunk, macs.one, '10.0.0.20', '10.0.0.1');
  h.wires.one.write(back);
  assert.deepEqual(came(), { one: [hex(out)], trunk: [hex(back)] });
});

test('a tag that is not the sender’s, or a second one, leads nowhere', () => {
  const out = packet(macs.one, macs.tagged, '10.0.0.1', '10.0.0.23');
  h.wires.trunk.write(out);
  h.wires.trunk.write(tagged(out, 10));
  h.wires.trunk.write(tagged(out, 20, 20));
  h.wires.trunk.write(join(out.subarray(0, 12), be16(0x88a8), be16(20), out.subarray(12)));
  assert.deepEqual(came(), {});
  assert.deepEqual(h.tally(), { '2 src_mac': 1, '2 station': 1, '2 vlan': 2 });
});

test('from one tag to another of the same device the router sends it back there', () => {
  const out = packet(macs.gateway, macs.trunk, '10.0.0.23', '10.1.0.22');
  h.wires.trunk.write(tagged(out, 10));
  const routed = packet(macs.tagged, macs.gateway, '10.0.0.23', '10.1.0.22', 63);
  assert.deepEqual(came(), { trunk: [hex(tagged(routed, 20))] });
});

test('the router sends back even there where it came from; a neighbour there hears what is for itself', () => {
  h.wires.trunk.write(tagged(packet(macs.gateway, macs.tagged, '10.0.0.24', '10.0.0.23'), 20));
  const routed = packet(macs.twin, macs.gateway, '10.0.0.24', '10.0.0.23', 63);
  assert.deepEqual(came(), { trunk: [hex(tagged(routed, 20))] });
  h.wires.trunk.write(tagged(packet(macs.twin, macs.tagged, '10.0.0.24', '10.0.0.23'), 20));
  assert.deepEqual(came(), {});
  assert.deepEqual(h.tally(), { '2 same_segment': 1 });
});

test('questions for neighbours are answered with the asker’s tag', () => {
  const asks = arp({ senderMac: mac(macs.tagged), senderIp: '10.0.0.23', targetIp: '10.0.0.3' });
  h.wires.trunk.write(tagged(eth(everyone, mac(macs.tagged), 0x806, asks), 20));
  const says = arp({
    op: 2,
    senderMac: m.three,
    senderIp: '10.0.0.3',
    targetMac: mac(macs.tagged),
    targetIp: '10.0.0.23',
  });
  assert.deepEqual(came(), { trunk: [hex(tagged(eth(mac(macs.tagged), m.three, 0x806, says), 20))] });
  const options = sourceMacOption(mac(macs.tagged));
  const looks = solicit({ src: 'fd00::23', target: 'fd00::3', options });
  h.wires.trunk.write(tagged(eth(solicitedMac('fd00::3'), mac(macs.tagged), 0x86dd, looks), 20));
  const [answer = ''] = came().trunk ?? [];
  assert.equal(answer.slice(0, 36), hex(join(mac(macs.tagged), m.three, be16(0x8100), be16(20), be16(0x86dd))));
  assert.deepEqual(h.tally(), { '2 arp_answered': 1, '2 nd_answered': 1 });
});

test('who sends too much at once is told with its tag', () => {
  const big = eth(
    m.seven,
    mac(macs.trunk),
    0x800,
    ip4({ src: '10.1.0.22', dst: '10.0.0.1' }, udp(1, 2, new Uint8Array(1400))),
  );
  h.wires.trunk.write(tagged(patch(big, 0, ...mac(macs.gateway)), 10));
  const [told = ''] = came().trunk ?? [];
  assert.equal(told.slice(24, 36), hex(join(be16(0x8100), be16(10), be16(0x800))));
  assert.deepEqual(h.tally(), { '3 too_big': 1, '3 too_big_told': 1 });
});

/** A TCP packet whose checksum is the network's to make: it has that of its pseudo header. */
const uncut = (to: string, dst: string, payload: number): Bytes => {
  const segment = tcp(1, 2, new Uint8Array(payload).fill(7));
  const half = ~upperChecksum(ip('10.0.0.1'), ip(dst), 6, new Uint8Array()) & 0xffff;
  const sum = half + segment.length;
  return eth(
    mac(to),
    m.one,
    0x800,
    ip4({ src: '10.0.0.1', dst, proto: 6 }, patch(segment, 16, ...be16((sum & 0xffff) + (sum >>> 16)))),
  );
};
const rest = { gsoSize: 1000, headers: 54, l4: 34 };

test('what is still to be cut goes on whole and with its tag, where the other side cuts', () => {
  const whole = uncut(macs.tagged, '10.0.0.23', 3000);
  h.wires.one.write(whole, rest);
  const [out, ...more] = h.wires.trunk.sent();
  assert.deepEqual(more, []);
  assert.equal(hex(out!.frame), hex(tagged(whole, 20)));
  assert.deepEqual([out!.gsoSize, out!.unsummed], [1000, true]);
});

test('and is cut and summed, each piece with its tag, where it does not', () => {
  for (const [name, to, dst, vlan] of [
    ['cutter', macs.nested, '10.0.0.21', 40],
    ['seg', macs.machine, '10.0.0.31', 30],
  ] as const) {
    h.wires.one.write(uncut(to, dst, 3000), rest);
    const pieces = h.wires[name].sent();
    assert.equal(pieces.length, 3, name);
    for (const { frame, gsoSize, unsummed } of pieces) {
      assert.deepEqual([gsoSize, unsummed], [0, false]);
      assert.equal(hex(frame.subarray(0, 18)), hex(join(mac(to), m.one, be16(0x8100), be16(vlan), be16(0x800))));
      assert.equal(frame.length, 18 + 40 + 1000);
      assert.equal(checksum(frame.subarray(18, 38)), 0);
      assert.equal(upperChecksum(ip('10.0.0.1'), ip(dst), 6, frame.subarray(38)), 0);
    }
  }
});

test('what is to be cut and comes from behind a port is tunnelled as any other', () => {
  const from = uncut(macs.three, '10.0.0.3', 3000);
  const source = patch(from, 6, ...mac(macs.tagged));
  const packetOf = patch(source, 26, ...ip('10.0.0.23'));
  const halved = patch(packetOf, 24, 0, 0);
  const summed = patch(halved, 24, ...be16(checksum(halved.subarray(14, 34))));
  const half = ~upperChecksum(ip('10.0.0.23'), ip('10.0.0.3'), 6, new Uint8Array()) & 0xffff;
  const sum = half + 3020;
  h.wires.trunk.write(tagged(patch(summed, 50, ...be16((sum & 0xffff) + (sum >>> 16))), 20), {
    ...{ gsoSize: 1000, headers: 58, l4: 38 },
  });
  const pieces = h.wires.nic.sent();
  assert.equal(pieces.length, 3);
  for (const { frame } of pieces) {
    assert.equal(hex(frame.subarray(30, 34)), hex(ip('192.0.2.2')));
    assert.equal(frame.length, 50 + 14 + 40 + 1000);
    assert.equal(upperChecksum(ip('10.0.0.23'), ip('10.0.0.3'), 6, frame.subarray(84)), 0);
  }
});

test('a machine on a segment and a port reach each other; what is of no segment stays the host’s', () => {
  const out = packet(macs.one, macs.machine, '10.0.0.1', '10.0.0.31');
  h.wires.seg.write(tagged(out, 30));
  const back = packet(macs.machine, macs.one, '10.0.0.31', '10.0.0.1');
  h.wires.one.write(back);
  h.wires.seg.write(out);
  h.wires.seg.write(tagged(out, 31));
  assert.deepEqual(came(), { one: [hex(out)], seg: [hex(tagged(back, 30))] });
  assert.deepEqual(h.tally(), {});
});

test('while a segment’s gate is shut nothing passes, either way; others pass', () => {
  const gates = h.bpf.map('gates');
  const slot = indexKey.encode({ index: 5 });
  const out = tagged(packet(macs.one, macs.machine, '10.0.0.1', '10.0.0.31'), 30);
  const back = packet(macs.machine, macs.one, '10.0.0.31', '10.0.0.1');
  const both = () => {
    h.wires.seg.write(out);
    h.wires.one.write(back);
    return came();
  };
  gates.update(slot, gateRow.encode({ until: 1n }));
  try {
    assert.deepEqual(both(), {});
    const other = packet(macs.trunk, macs.one, '10.0.0.20', '10.0.0.1');
    h.wires.one.write(other);
    assert.deepEqual(came(), { trunk: [hex(other)] });
    assert.deepEqual(h.tally(), { '5 gate_shut': 2 });
  } finally {
    gates.update(slot, gateRow.encode({ until: 0n }));
  }
  assert.deepEqual(Object.keys(both()).sort(), ['one', 'seg']);
});

const wire = (host: number, inner: Uint8Array, tos = 0, ttl = 64): Bytes =>
  encapsulated({ src: `192.0.2.${host}`, dst: '192.0.2.1', vni: A, tos, ttl }, inner);

test('from the underlay it comes to the tag that its destination has', () => {
  const inner = packet(macs.tagged, macs.three, '10.0.0.23', '10.0.0.3');
  h.wires.nic.write(wire(2, inner));
  assert.deepEqual(came(), { trunk: [hex(tagged(inner, 20))] });
  const six = eth(mac(macs.machine), m.three, 0x86dd, ip6({ src: 'fd00::3', dst: 'fd00::31' }, word));
  h.wires.nic.write(wire(2, six));
  assert.deepEqual(came(), { seg: [hex(tagged(six, 30))] });
});

test('what comes for a port that has moved goes on to its host, with its mark and source port, and not back', () => {
  const inner = eth(mac(macs.gone), m.four, 0x800, ip4({ src: '10.0.0.4', dst: '10.0.0.41', tos: 2 }, word));
  h.wires.nic.write(wire(3, inner, 3));
  const { nic: [out = ''] = [], ...others } = came();
  assert.deepEqual(others, {});
  assert.equal(out.slice(0, 24), '020000000102020000000101');
  assert.equal(out.slice(28, 32), '4503', 'congestion was marked on the way here');
  assert.equal(checksum(Buffer.from(out, 'hex').subarray(14, 34)), 0);
  assert.equal(out.slice(52, 68), hex(join(ip('192.0.2.1'), ip('192.0.2.2'))));
  assert.equal(read16(Buffer.from(out, 'hex'), 34), 40_000);
  assert.equal(out.slice(100), hex(inner));
  h.wires.nic.write(wire(2, packet(macs.gone, macs.three, '10.0.0.41', '10.0.0.3')));
  assert.deepEqual(came(), {});
  assert.deepEqual(h.tally(), { '0 relayed': 1, '0 inner_unknown': 1 });
});

test('where the fast path does not lead it goes on through the VXLAN device, with the mark inside', {
  timeout: 30_000,
}, async () => {
  const inner = eth(mac(macs.slow), m.three, 0x800, ip4({ src: '10.0.0.3', dst: '10.0.0.43', tos: 2 }, word));
  h.wires.nic.write(wire(2, inner, 3));
  // The device takes it in when the kernel comes to it.
  while (h.tally()['0 slow_tx'] === undefined) await wait(1);
  let out: string | undefined;
  while (out === undefined) [out] = came().nic ?? [];
  const marked = eth(mac(macs.slow), m.three, 0x800, ip4({ src: '10.0.0.3', dst: '10.0.0.43', tos: 3 }, word));
  assert.equal(out.slice(44, 46), '20', 'its TTL says that it was sent on');
  assert.equal(out.slice(60, 68), hex(ip('192.0.2.3')));
  assert.equal(out.slice(100), hex(marked));
  assert.deepEqual(h.tally(), { '0 relayed': 1, '0 slow_tx': 1 });
});

test('nor does the VXLAN device send on what was sent on already', { timeout: 30_000 }, async () => {
  const inner = packet(macs.gone, macs.four, '10.0.0.41', '10.0.0.4');
  const counted = async (what: string) => {
    while (h.tally()[what] === undefined) await wait(1);
  };
  h.wires.side.write(wire(3, inner, 0, 33));
  await counted('0 slow_tx');
  h.wires.side.write(wire(3, inner, 0, 32));
  await counted('0 inner_unknown');
  assert.deepEqual(h.tally(), { '0 relayed': 1, '0 slow_tx': 1, '0 inner_unknown': 1 });
});

test('a port that is wired here gets what its host sends on, and sends as ever', () => {
  const inner = packet(macs.guest, macs.four, '10.0.0.40', '10.0.0.4');
  h.wires.nic.write(wire(2, inner));
  const says = packet(macs.one, macs.guest, '10.0.0.1', '10.0.0.40');
  h.wires.guest.write(says);
  assert.deepEqual(came(), { guest: [hex(inner)], one: [hex(says)] });
  assert.deepEqual(h.tally(), {});
});
