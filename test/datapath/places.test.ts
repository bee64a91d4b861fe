/** Ports that share a device and ports that two hosts have: what single packets do not show. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketRow, indexKey, OLDER_FLOWS, OLDER_SECOND, olderKey, olderRow } from '../../src/datapath/layouts.ts';
import { everyone, m } from './case.ts';
import { encapsulated, eth, hex, ip, ip4, ip6, mac, tcp, udp } from './frames.ts';
import { type Datapath, openDatapath } from './harness.ts';
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

/** UDP between a port that has come from another host and the outside, IPv6 or not: its own port and the other end's say which flow. */
function udpOf(d: Datapath, six: boolean) {
  const port = d.world.ports[placeIndex.settled]!;
  const { slot, mac: own } = port;
  const [inside, outside] = six ? (['fd00::46', '2001:db8::7'] as const) : (['10.0.0.46', '198.51.100.7'] as const);
  const frame = (to: Uint8Array, from: Uint8Array, src: string, dst: string, ...ports: [number, number]) =>
    six
      ? eth(to, from, 0x86dd, ip6({ src, dst, next: 17 }, udp(...ports)))
      : eth(to, from, 0x800, ip4({ src, dst }, udp(...ports)));
  const older = d.bpf.map('older');
  const came = olderKey.encode({ slot, place: OLDER_FLOWS });
  return {
    /** The port has come just now, and nothing was said. */
    comesHome(): void {
      for (const key of [...older.keys()]) older.delete(key);
      const since = Number(process.hrtime.bigint() / 1_000_000_000n) * OLDER_SECOND;
      older.update(came, olderRow.encode({ flow: 0, since }));
    },
    /** Whether the port's datagram goes to its origin. */
    sent(from: number, to = 443): boolean {
      const before = d.tallied(slot, 'to_origin');
      const data = frame(m.gateway, mac(own), inside, outside, from, to);
      d.bpf.program('from_port').testRun({ data, ctx: { ifindex: port.ifindex } });
      return d.tallied(slot, 'to_origin') > before;
    },
    /** The other end's comes by the host. */
    comes(to: number, from = 443, host = 2): void {
      const inner = frame(mac(own), m.gateway, outside, inside, from, to);
      const outer = { src: `192.0.2.${host}`, dst: '192.0.2.1', vni: port.vni };
      d.bpf.program('from_underlay').testRun({ data: encapsulated(outer, inner) });
    },
    /** The other end's comes by this host's gateway. */
    comesHere(to: number, from = 443): void {
      const { ifindex } = d.world.ports.find(({ router, vni }) => router && vni === port.vni)!;
      const data = frame(mac(own), m.gateway, outside, inside, from, to);
      d.bpf.program('from_port').testRun({ data, ctx: { ifindex } });
    },
    /** All that has happened has happened so long before; negative: it is to come, by the clock of this CPU. */
    pass(seconds: number): void {
      for (const [key, value] of [...older.entries()]) {
        const { flow, since } = olderRow.decode(value);
        older.update(key, olderRow.encode({ flow, since: since - seconds * OLDER_SECOND }));
      }
    },
    /** Places that are taken, each as it is. */
    places: (): string[] =>
      [...older.entries()].filter(([key]) => hex(key) !== hex(came)).map((row) => row.map(hex).join(' ')),
  };
}
type Udp = ReturnType<typeof udpOf>;
/** Of each family, with a port that has just come. */
function udpWithOutside(run: (u: Udp) => void): void {
  using d = openDatapath();
  d.inside(() => {
    for (const six of [false, true]) {
      const u = udpOf(d, six);
      u.comesHome();
      run(u);
    }
  });
}
/** Flows that others begin, by way of the origin: in each place one. */
const strangers = Array.from({ length: 1_500 }, (_, n) => 1_024 + n);

test('UDP goes by the origin for ten seconds after the move, and then what is answered from there, as long as it is', () => {
  udpWithOutside((u) => {
    for (const from of [1, 2]) assert.equal(u.sent(from), true, 'it has just come');
    u.comesHere(5);
    assert.equal(u.sent(5), false, 'it began by this host’s gateway');
    u.comes(1);
    u.pass(60);
    assert.equal(u.sent(1), true, 'it was answered');
    assert.equal(u.sent(2), false, 'it was not');
    u.comes(2);
    assert.equal(u.sent(2), false, 'and goes from here now');
    assert.equal(u.sent(3), false, 'it is new');
    u.comes(3, 443, 3);
    assert.equal(u.sent(3), false, 'what comes by another host says nothing');
    u.comes(4);
    assert.equal(u.sent(4), true, 'the other end spoke first');
    assert.equal(u.sent(1), true, 'it waits for an answer');
    u.pass(60);
    assert.equal(u.sent(1), false, 'which has not come');
  });
});

test('who speaks to a moved port by its origin, and is not answered, has a place for ten seconds', () => {
  udpWithOutside((u) => {
    for (const from of [...strangers, ...strangers]) u.comes(82, from);
    assert.equal(u.places().length, OLDER_FLOWS, 'all are taken');
    assert.equal(u.sent(1), true, 'it has just come');
    u.comes(1);
    // The kernel's own clock goes on meanwhile, for seconds where it is interpreted.
    u.pass(2);
    assert.equal(u.sent(1), true, 'it has just come');
    u.pass(10);
    assert.equal(u.sent(1), false, 'it got no place, and so is new');
    u.comes(1);
    u.pass(60);
    assert.equal(u.sent(1), true, 'it was given one');
  });
});

test('a UDP flow that is answered keeps its place from all others, until it is silent for three minutes', () => {
  udpWithOutside((u) => {
    u.sent(1);
    for (const silence of [60, 150]) {
      u.comes(1);
      u.pass(silence);
      for (const from of strangers) u.comes(82, from);
      assert.equal(u.sent(1), true, `it was answered ${silence} s ago`);
    }
    u.comes(1);
    u.pass(200);
    for (const from of strangers) u.comes(82, from);
    assert.equal(u.sent(1), false, 'it is over');
  });
});

test('what comes in by this host’s gateway when the move is over changes nothing but the flow that it is of', () => {
  udpWithOutside((u) => {
    u.sent(1);
    u.comes(1);
    u.pass(60);
    for (const from of strangers) u.comesHere(82, from);
    assert.equal(u.places().length, 1);
    assert.equal(u.sent(1), true);
    u.comesHere(1);
    assert.equal(u.sent(1), false, 'it comes in here');
    const before = u.places();
    u.comesHere(1);
    assert.deepEqual(u.places(), before);
  });
});

test('a UDP flow goes on if a second begins on another CPU first', () => {
  udpWithOutside((u) => {
    assert.equal(u.sent(1), true);
    u.pass(-2);
    assert.equal(u.sent(2), true, 'it has just come, by the other’s clock');
    assert.equal(u.sent(1), true, 'it has asked, by the other’s clock');
    for (const from of strangers) u.comes(82, from);
    assert.equal(u.sent(1), true, 'and has its place still');
    u.comes(1);
    u.pass(60);
    assert.equal(u.sent(1), true);
  });
});
