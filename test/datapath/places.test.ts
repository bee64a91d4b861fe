/** Ports that share a device and ports that two hosts have: what single packets do not show. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bucketRow, indexKey } from '../../src/datapath/layouts.ts';
import { everyone, m } from './case.ts';
import { eth, hex, ip, ip4, ip6, mac, tcp, udp } from './frames.ts';
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
