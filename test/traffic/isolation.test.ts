/** Two tenants with the same addresses and MACs on the same hosts, and a network number that changes hands. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { netnsPath } from '../../src/lab/plan.ts';
import { until } from '../../src/lab/processes.ts';
import { arp, be16, eth, ip4, ip6, join, mac, read16, udp } from '../datapath/frames.ts';
import { openRandom, type Random } from '../datapath/random.ts';
import { contains, openPackets, type Packets } from './packets.ts';
import { openStage, type Stage, type Station } from './stage.ts';

const framesEach = 100_000;
const prefixes = ['10.11.0.0/24', 'fd11::/64'];
const macs = ['02:00:00:00:11:01', '02:00:00:00:11:02'] as const;
const tenants = ['a', 'b'] as const;
type Tenant = (typeof tenants)[number];

let stage: Stage;
/** By tenant: one port on each host; the tenants' ports are twins. */
let ports: Record<Tenant, readonly [Station, Station]>;

before(async () => {
  stage = await openStage(2);
  for (const tenant of tenants) await stage.network(tenant, 'net', prefixes);
  const attach = (tenant: Tenant, host: 0 | 1) =>
    stage.attach({
      tenant,
      network: 'net',
      host,
      mac: macs[host],
      addresses: [`10.11.0.${host + 11}`, `fd11::${host + 11}`],
    });
  ports = { a: [await attach('a', 0), await attach('a', 1)], b: [await attach('b', 0), await attach('b', 1)] };
  for (const tenant of tenants) await stage.settled(ports[tenant][1]);
});
after(() => stage?.[Symbol.asyncDispose]());

/** Marks a tenant's frames; behind all headers. */
const mark = (tenant: Tenant): Uint8Array => Buffer.from(`a frame of tenant ${tenant}.`);
const markAt = 80;

/** A frame of any kind that this port may or may not send; legal ones are among them. */
function randomFrame(tenant: Tenant, random: Random): Uint8Array {
  const pick = <T>(...of: readonly T[]): T => random.pick(of);
  const { bytes } = random;
  const destination = pick(mac(macs[1]), mac(macs[1]), mac('ff:ff:ff:ff:ff:ff'), mac('33:33:00:00:00:01'), bytes(6));
  const source = pick(mac(macs[0]), mac(macs[0]), mac(macs[0]), bytes(6));
  const payload = join(bytes(markAt - 42), mark(tenant), bytes(random.below(300)));
  const src = pick('10.11.0.11', '10.11.0.11', '10.11.0.1');
  const [type, packet] = pick<[number, Uint8Array]>(
    [0x800, ip4({ src, dst: pick('10.11.0.12', '10.11.0.255') }, udp(1, pick(9, 4789), payload))],
    [0x86dd, ip6({ src: 'fd11::11', dst: pick('fd11::12', 'ff02::1') }, udp(1, 9, payload))],
    [
      0x806,
      join(
        arp({ op: pick(1, 2), senderMac: source, senderIp: src, targetIp: pick('10.11.0.12', '10.11.0.11') }),
        payload,
      ),
    ],
    [random.below(65_536), payload],
  );
  return eth(destination, source, type, packet);
}

/** What a tap has seen of each tenant, and in all. */
class Seen {
  readonly of: Record<Tenant, number> = { a: 0, b: 0 };
  all = 0;
  readonly #tap: Packets;
  constructor(tap: Packets) {
    this.#tap = tap;
  }
  take(): void {
    for (const frame of this.#tap.received()) {
      this.all++;
      for (const tenant of tenants) if (contains(frame, mark(tenant))) this.of[tenant]++;
    }
  }
}
const rxPackets = async (station: Station): Promise<number> => {
  const links = JSON.parse(await stage.exec(station, 'ip', '-j', '-s', 'link', 'show', station.ifname)) as {
    stats64: { rx: { packets: number } };
  }[];
  return links[0]!.stats64.rx.packets;
};

test('A25: each tenant reaches its own, and only its own, twin', async () => {
  for (const tenant of tenants) {
    const [from, to] = ports[tenant];
    const other = ports[tenant === 'a' ? 'b' : 'a'];
    using there = openPackets(to.netns, to.ifname);
    using elsewhere = openPackets(other[1].netns, other[1].ifname);
    for (const ip of [to.ip4, to.ip6]) await stage.ping(from, ip, '-p', '7e57');
    assert.equal(there.received().filter((frame) => contains(frame, Buffer.from('7e577e577e57', 'hex'))).length, 2);
    assert.deepEqual(elsewhere.received(), []);
  }
});

test('of 100,000 random frames from each tenant none arrives at the other', async () => {
  const random = openRandom();
  using open = new DisposableStack();
  const stations = tenants.flatMap((tenant) => ports[tenant]);
  const before = await Promise.all(stations.map(rxPackets));
  const taps = new Map(stations.map((s) => [s, open.use(openPackets(s.netns, s.ifname))]));
  const seen = new Map(stations.map((s) => [s, new Seen(taps.get(s)!)]));
  const sources = tenants.map((tenant) => ({
    tap: taps.get(ports[tenant][0])!,
    frames: Array.from({ length: 2000 }, () => randomFrame(tenant, random)),
  }));
  for (let n = 0; n < framesEach; n++) {
    for (const { tap, frames } of sources) tap.send(mutated(frames[n % frames.length]!, n, random));
    if (n % 500 === 0) for (const s of seen.values()) s.take();
  }
  const [a1, a2, b1, b2] = stations.map((s) => seen.get(s)!) as [Seen, Seen, Seen, Seen];
  await until('the arrival of what was sent last', 5000, async () => {
    for (const s of seen.values()) s.take();
    const counts = await Promise.all(stations.map(rxPackets));
    return counts.every((count, i) => count - before[i]! === seen.get(stations[i]!)!.all) ? true : undefined;
  });
  const strangers = { a: b1.of.a + b2.of.a, b: a1.of.b + a2.of.b };
  assert.deepEqual(strangers, { a: 0, b: 0 }, `HEDDLE_SEED=${random.seed}`);
  for (const own of [a2.of.a, b2.of.b]) assert.ok(own > framesEach / 100, `only ${own} of its own frames arrived`);
});

/** The same frame for the first 2000; then with a few bytes of its headers changed. */
function mutated(frame: Uint8Array, n: number, random: Random): Uint8Array {
  if (n < 2000) return frame;
  const copy = Uint8Array.from(frame);
  for (let i = random.below(3); i > 0; i--) copy[random.below(60)] = random.below(256);
  return copy;
}

test('the MAC of another tenant’s port leads nowhere', async () => {
  const [from] = ports.a;
  const foreign = await stage.attach({ tenant: 'b', network: 'net', host: 0 });
  using tap = openPackets(foreign.netns, foreign.ifname);
  using out = openPackets(from.netns, from.ifname);
  const before = await stage.count(from, 'unknown_unicast');
  out.send(eth(mac(foreign.mac), mac(from.mac), 0x800, ip4({ src: from.ip4, dst: foreign.ip4 }, udp(1, 9, mark('a')))));
  await stage.ping(from, ports.a[1].ip4);
  await stage.ping(ports.b[0], foreign.ip4);
  assert.equal((await stage.count(from, 'unknown_unicast')) - before, 1);
  assert.ok(tap.received().every((frame) => !contains(frame, mark('a'))));
});

test('a frame of a deleted network is not delivered to the tenant that has its number now', async () => {
  const { vni } = await stage.network('a', 'old', ['10.12.0.0/24']);
  const old = [0, 1].map((host) =>
    stage.attach({ tenant: 'a', network: 'old', host, mac: macs[host as 0 | 1], addresses: [`10.12.0.${host + 11}`] }),
  );
  const [to, from] = (await Promise.all(old)) as [Station, Station];
  await stage.settled(to);
  using port = openPackets(netnsPath(stage.lab.plan.netns), 'h1', { outgoing: true });
  using workload = openPackets(to.netns, to.ifname);
  port.received();
  await stage.ping(from, to.ip4);
  const captured = port.received().find((frame) => isVxlan(frame, vni) && contains(frame, mac(macs[0])))!;
  workload.received();
  const replay = () => port.send(captured);
  replay();
  await until('the replayed frame, while its network is there', 5000, () =>
    workload.received().some((frame) => contains(captured, frame)) ? true : undefined,
  );

  for (const station of [to, from]) await stage.detach(station);
  await stage.client.remove('subnet', 'old-4', { tenant: 'a' });
  await stage.client.remove('network', 'old', { tenant: 'a' });
  await stage.network('b', 'new', ['10.12.0.0/24'], vni);
  const attach = (host: 0 | 1) =>
    stage.attach({ tenant: 'b', network: 'new', host, mac: macs[host], addresses: [`10.12.0.${host + 21}`] });
  const [heir, sibling] = [await attach(0), await attach(1)];
  await stage.settled(heir);
  using tap = openPackets(heir.netns, heir.ifname);
  const before = (await stage.hostReasons(0)).inner_source ?? 0;
  replay();
  await stage.ping(sibling, heir.ip4);
  assert.equal(((await stage.hostReasons(0)).inner_source ?? 0) - before, 1);
  assert.ok(tap.received().every((frame) => !contains(captured, frame)));
});

/** An outer UDP datagram to VXLAN's port with this network number. */
const isVxlan = (frame: Uint8Array, vni: number): boolean =>
  frame[23] === 17 &&
  read16(frame, 36) === 4789 &&
  contains(frame.subarray(46, 49), Uint8Array.from([vni >> 16, ...be16(vni)]));
