/** Ports that share a device and ports that two hosts have: what single packets do not show. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketRow, indexKey, OLDER_FLOWS, olderKey, olderRow } from '../../src/datapath/layouts.ts';
import { everyone, m } from './case.ts';
import { encapsulated, eth, hex, ip, ip4, ip6, mac, tcp, udp } from './frames.ts';
import { openDatapath } from './harness.ts';
import { placeIndex } from './places.ts';
import { hello } from './places-cases.ts';
import { maySend, placeOf } from './places-model.ts';
import { macs, type PortSpec, type StationSpec, type World } from './world.ts';

test('what a host says to another on a segment goes no further, and is no mistake of anybody', () => {
  using d = openDatapath();
  const { ifindex } = d.world.ports[Number(hello.from)]!;
  assert.equal(d.inside(() => d.run('from_segment', hello.frame, { ifindex })).retval, 2);
  assert.deepEqual([...d.tally()], []);
});

test('a request of a machine costs its segment a tenth of what a port’s costs it', () => {
  using d = openDatapath();
  const cost = (program: 'from_port' | 'from_segment', { ifindex, slot, mac: from }: PortSpec): bigint => {
    const key = indexKey.encode({ index: slot });
    const full = process.hrtime.bigint() + 1_000_000_000n;
    d.setBuckets(slot, full);
    const request = ip4({ src: '0.0.0.0', dst: '255.255.255.255' }, udp(68, 67, new Uint8Array(240)));
    d.inside(() => d.run(program, eth(everyone, mac(from), 0x800, request), { ifindex }));
    return bucketRow.decode(d.bpf.map('service_rate').lookup(key)!).full - full;
  };
  assert.equal(cost('from_port', d.world.ports[0]!), 125_000_000n);
  assert.equal(cost('from_segment', d.world.ports[placeIndex.machine]!), 12_500_000n);
});

const hosts = [1, 2, 3] as const;
type Host = (typeof hosts)[number];
/** What a host may believe of a port's places, and whether it is wired there. */
interface Belief {
  readonly host: Host;
  readonly standby?: Host;
  readonly origin?: Host;
  readonly wired: boolean;
}
const beliefs: Belief[] = hosts.flatMap((host) =>
  [{}, ...hosts.filter((h) => h !== host).flatMap((h) => [{ standby: h }, { origin: h }])].flatMap((other) =>
    [true, false].map((wired) => ({ host, wired, ...other })),
  ),
);
const vtep = (host: Host): string => `192.0.2.${host}`;
/** The row that a host has for the port; undefined: none. */
function rowOf(self: Host, { host, standby, origin, wired }: Belief): StationSpec | undefined {
  const station = { vni: 1, mac: macs.one, ips: [], host, ...(standby && { other: standby }) };
  const device = { ifindex: 1, slot: 1 };
  if (host === self) return wired ? { ...station, ...device, ...(origin && { origin }) } : undefined;
  if (origin === self) return { ...station, relay: true };
  if (standby !== self) return station;
  return wired ? { ...station, origin: host, relay: device } : { ...station, relay: true };
}

test('whatever three hosts believe of two ports, a frame from one to the other comes to an end', (t) => {
  const worlds = hosts.map((self): World => {
    const vteps = hosts.filter((h) => h !== self).map((host) => ({ host, remote: vtep(host), fast: true, mtu: 1450 }));
    return {
      ...{ self, vtep: vtep(self), udpPort: 4789, vxlanIfindex: 1 },
      ports: [],
      stations: [],
      routes: [],
      vteps,
    };
  });
  let ways = 0;
  let longest = 0;
  /** Hosts that the frame comes to, by what each believes of its destination; it was sent by `from`. */
  const follow = (from: Host, source: StationSpec, of: readonly Belief[]): number => {
    const first = rowOf(from, of[from - 1]!);
    let [sender, at, hops] = [from, first && !first.slot ? (first.host as Host) : from, 1];
    for (; at !== sender; hops++) {
      const row = rowOf(at, of[at - 1]!);
      const outer = hex(ip(vtep(sender)));
      const world = worlds[at - 1]!;
      const on = maySend(world, source, row, outer) ? placeOf(world, row, outer)?.on : undefined;
      if (on === undefined || on === at) break;
      assert.ok(hops < 3, `from ${from}, whose source is ${JSON.stringify(source)}: ${JSON.stringify(of)}`);
      [sender, at] = [at, on as Host];
    }
    return hops;
  };
  for (const a of beliefs)
    for (const b of beliefs)
      for (const c of beliefs)
        for (const { host, standby } of beliefs.filter(({ wired }) => wired)) {
          const source = { vni: 1, mac: macs.two, ips: [], host, ...(standby && { other: standby }) };
          for (const from of hosts) {
            longest = Math.max(longest, follow(from, source, [a, b, c]));
            ways++;
          }
        }
  t.diagnostic(`${ways} ways, at most ${longest} hosts after the first`);
});

test('a connection that began here stays here, whoever else begins however many', () => {
  using d = openDatapath();
  const { testRun } = d.bpf.program('from_port');
  const [fresh, still] = [d.world.ports[placeIndex.settled]!, d.world.ports[placeIndex.guest]!];
  /** Whether the port's packet goes to its origin. */
  const sent = (
    { ifindex, mac: from, slot, ip4: src = '', ip6: src6 = '' }: PortSpec,
    ports: [number, number],
    flags = 0x10,
    six = false,
  ) => {
    const before = d.tallied(slot, 'to_origin');
    const segment = tcp(...ports, [], flags);
    const frame = six
      ? eth(m.gateway, mac(from), 0x86dd, ip6({ src: src6, dst: '2001:db8::7', next: 6 }, segment))
      : eth(m.gateway, mac(from), 0x800, ip4({ src, dst: '198.51.100.7', proto: 6 }, segment));
    testRun({ data: frame, ctx: { ifindex } });
    return d.tallied(slot, 'to_origin') > before;
  };
  d.inside(() => {
    for (const six of [false, true]) {
      assert.equal(sent(fresh, [40_000, 443], 0x10, six), true);
      assert.equal(sent(fresh, [40_000, 443], 0x02, six), false);
      assert.equal(sent(fresh, [40_000, 443], 0x10, six), false, 'it has begun here');
      assert.equal(sent(fresh, [40_001, 443], 0x10, six), true, 'another has not');
    }
    assert.equal(sent(still, [40_000, 443]), true, 'nor has another port’s');
    for (let n = 0; n < 20_000; n++) sent(still, [n & 0xffff, 1], 0x02);
    assert.equal(sent(fresh, [40_000, 443]), false);
    assert.equal(sent(fresh, [40_001, 443]), true, 'what the other begins is its own matter');
    // What a port can spoil is which of its own connections are the older ones.
    assert.equal(sent(still, [40_001, 443]), false);
    let taken = 0;
    for (let n = 0; n < 500; n++) sent(fresh, [1_024 + n, 80], 0x02);
    for (let n = 0; n < 500; n++) assert.equal(sent(fresh, [1_024 + n, 80]), false);
    for (let n = 0; n < 1_000; n++) if (!sent(fresh, [20_000 + n, 443])) taken++;
    assert.ok(taken < 60, `after 500 connections ${taken} of 1,000 older ones are taken for such`);
  });
});

test('UDP goes by the origin for ten seconds after the move, and then what is answered from there, as long as it is', () => {
  using d = openDatapath();
  const port = d.world.ports[placeIndex.settled]!;
  const { slot, mac: own } = port;
  const ends = (six: boolean) =>
    (six ? ['fd00::46', '2001:db8::7'] : ['10.0.0.46', '198.51.100.7']) as [string, string];
  const packet = (six: boolean, src: string, dst: string, ...ports: [number, number]) =>
    six ? ip6({ src, dst, next: 17 }, udp(...ports)) : ip4({ src, dst }, udp(...ports));
  const type = (six: boolean) => (six ? 0x86dd : 0x800);
  /** Whether the port's datagram goes to its origin. */
  const sent = (six: boolean, from: number): boolean => {
    const before = d.tallied(slot, 'to_origin');
    const [inside, outside] = ends(six);
    const frame = eth(m.gateway, mac(own), type(six), packet(six, inside, outside, from, 443));
    d.bpf.program('from_port').testRun({ data: frame, ctx: { ifindex: port.ifindex } });
    return d.tallied(slot, 'to_origin') > before;
  };
  /** The other end's comes by the host. */
  const comes = (six: boolean, to: number, host = 2): void => {
    const [inside, outside] = ends(six);
    const inner = eth(mac(own), m.gateway, type(six), packet(six, outside, inside, 443, to));
    const outer = { src: `192.0.2.${host}`, dst: '192.0.2.1', vni: port.vni };
    d.bpf.program('from_underlay').testRun({ data: encapsulated(outer, inner) });
  };
  /** The other end's comes by this host's gateway. */
  const comesHere = (six: boolean, to: number): void => {
    const [inside, outside] = ends(six);
    const frame = eth(mac(own), m.gateway, type(six), packet(six, outside, inside, 443, to));
    const { ifindex } = d.world.ports.find(({ router, vni }) => router && vni === port.vni)!;
    d.bpf.program('from_port').testRun({ data: frame, ctx: { ifindex } });
  };
  const older = d.bpf.map('older');
  /** All that has happened has happened a minute before. */
  const aMinutePasses = (): void => {
    for (const [key, value] of [...older.entries()]) {
      const { flow, since } = olderRow.decode(value);
      if (since !== 0 && since !== 0xffff_ffff) older.update(key, olderRow.encode({ flow, since: since - 60 }));
    }
  };
  d.inside(() => {
    for (const six of [false, true]) {
      const now = Number(process.hrtime.bigint() / 1_000_000_000n);
      older.update(olderKey.encode({ slot, place: OLDER_FLOWS }), olderRow.encode({ flow: 0, since: now }));
      for (const from of [1, 2]) assert.equal(sent(six, from), true, 'it has just come');
      comesHere(six, 5);
      assert.equal(sent(six, 5), false, 'it began by this host’s gateway');
      comes(six, 1);
      aMinutePasses();
      assert.equal(sent(six, 1), true, 'it was answered');
      assert.equal(sent(six, 2), false, 'it was not');
      comes(six, 2);
      assert.equal(sent(six, 2), false, 'and goes from here now');
      assert.equal(sent(six, 3), false, 'it is new');
      comes(six, 3, 3);
      assert.equal(sent(six, 3), false, 'what comes by another host says nothing');
      comes(six, 4);
      assert.equal(sent(six, 4), true, 'the other end spoke first');
      assert.equal(sent(six, 1), true, 'it waits for an answer');
      aMinutePasses();
      assert.equal(sent(six, 1), false, 'which has not come');
      for (const key of [...older.keys()]) older.delete(key);
    }
  });
});
