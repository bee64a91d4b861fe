/** Two networks on two hosts, joined by a router; another tenant has the same. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { transfer } from '../traffic/bulk.ts';
import { openPackets } from '../traffic/packets.ts';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';

const subnets = ['left-4', 'left-6', 'right-4', 'right-6'];
const bulkBytes = 16 << 20;
const waitMs = 20_000;
const families = [4, 6] as const;

let stage: Stage;
/** Of tenant a: left on host 1, right on both. */
let left: Station;
let near: Station;
let far: Station;

const ip = (station: Station, family: 4 | 6): string => (family === 4 ? station.ip4 : station.ip6);
const setRoutes = (routes: { destination: string; via?: string }[]): Promise<unknown> =>
  stage.client.update('router', 'r', { routes }, { tenant: 'a', waitMs });

async function town(tenant: string): Promise<[Station, Station, Station]> {
  await stage.network(tenant, 'left', ['10.61.0.0/24', 'fd61::/64']);
  await stage.network(tenant, 'right', ['10.62.0.0/24', 'fd62::/64']);
  const attach = (network: string, host: number, n: number) => {
    const prefix = network === 'left' ? 61 : 62;
    return stage.attach({ tenant, network, host, addresses: [`10.${prefix}.0.${n}`, `fd${prefix}::${n}`] });
  };
  return [await attach('left', 0, 11), await attach('right', 0, 12), await attach('right', 1, 13)];
}

before(async () => {
  stage = await openStage(2);
  [left, near, far] = await town('a');
  await stage.settled(far);
});
after(() => stage?.[Symbol.asyncDispose]());

test('a router joins networks, by IPv4 and IPv6, on one host and across hosts, and nothing does before', async () => {
  await assert.rejects(stage.ping(left, far.ip4, '-w', '1'));
  await stage.client.create('router', { name: 'r', subnets }, { tenant: 'a', waitMs });
  for (const to of [near, far])
    for (const family of families) {
      await stage.ping(left, ip(to, family));
      await stage.ping(to, ip(left, family));
    }
});

test('a routed packet has one hop less, and who has none is told by the router’s address in its own subnet', async () => {
  assert.match(await stage.exec(left, 'ping', '-n', '-c', '1', far.ip4), /ttl=63 /);
  assert.match(await stage.exec(left, 'ping', '-n', '-c', '1', far.ip6), /ttl=63 /);
  for (const to of [near, far]) {
    await assert.rejects(stage.ping(left, to.ip4, '-t', '1'), /From 10\.61\.0\.1 .*Time to live exceeded/);
    await assert.rejects(stage.ping(left, to.ip6, '-t', '1'), /From fd61::1 .*Time exceeded: Hop limit/);
    await stage.ping(left, to.ip4, '-t', '2');
    await stage.ping(left, to.ip6, '-t', '2');
  }
  await assert.rejects(stage.ping(far, left.ip4, '-t', '1'), /From 10\.62\.0\.1 /);
  assert.ok((await stage.count(left, 'ttl_expired')) >= 4);
  assert.ok((await stage.count(left, 'icmp_told')) >= 4);
});

test('an address that nobody has is told to be unreachable', async () => {
  await assert.rejects(stage.ping(left, '10.62.0.99'), /From 10\.61\.0\.1 .*Destination Host Unreachable/);
  await assert.rejects(stage.ping(left, 'fd62::99'), /From fd61::1 .*Destination unreachable: Address unreachable/);
  assert.ok((await stage.count(left, 'no_neighbour')) >= 2);
});

test('every one of the router’s addresses answers', async () => {
  for (const address of ['10.61.0.1', '10.62.0.1', 'fd61::1', 'fd62::1'])
    for (const from of [left, far]) await stage.ping(from, address);
});

test('a TCP transfer arrives unchanged, both ways', async () => {
  for (const family of families) {
    await transfer(stage, left, far, ip(far, family), bulkBytes);
    await transfer(stage, far, left, ip(left, family), bulkBytes);
    await transfer(stage, near, left, ip(left, family), bulkBytes);
  }
});

test('what is too big for the target’s network is told by the router, and TCP goes on', async () => {
  await stage.client.update('network', 'right', { mtuBytes: 1300 }, { tenant: 'a', waitMs });
  await assert.rejects(
    stage.ping(left, far.ip4, '-M', 'do', '-s', '1400'),
    /From 10\.61\.0\.1 .*Frag needed and DF set \(mtu = 1300\)/,
  );
  await assert.rejects(stage.ping(left, far.ip6, '-M', 'do', '-s', '1400'), /From fd61::1 .*Packet too big: mtu=1300/);
  // Who would take larger ones, so that only the router's word holds.
  await stage.exec(far, 'ip', 'link', 'set', far.ifname, 'mtu', '1450');
  for (const family of families) {
    await stage.exec(left, 'ip', `-${family}`, 'route', 'flush', 'cache');
    await transfer(stage, left, far, ip(far, family), bulkBytes);
    assert.match(await stage.exec(left, 'ip', `-${family}`, 'route', 'get', ip(far, family)), /\bmtu 1300\b/);
  }
  await stage.client.update('network', 'right', { mtuBytes: null }, { tenant: 'a', waitMs });
});

test('a static route leads through a workload that forwards, both ways; without it nobody speaks for the other side', async () => {
  const inner = {
    ...far,
    workload: 'inner',
    netns: await stage.lab.addWorkload('inner'),
    ip4: '172.30.0.2',
    ip6: 'fd30::2',
  };
  const script = [
    `link add behind type veth peer name eth0 netns ${inner.workload}`,
    'link set behind up',
    'address add 172.30.0.1/24 dev behind',
    'address add fd30::1/64 dev behind nodad',
  ];
  for (const step of script) {
    const words = step.replace(`netns ${inner.workload}`, `netns ${inner.netns}`).split(' ');
    await stage.exec(far, 'ip', ...words);
  }
  await stage.exec(
    far,
    'sh',
    '-c',
    'echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding',
  );
  for (const step of [
    'link set eth0 up',
    'address add 172.30.0.2/24 dev eth0',
    'address add fd30::2/64 dev eth0 nodad',
    'route add default via 172.30.0.1',
    'route add default via fd30::1',
  ])
    await stage.exec(inner, 'ip', ...step.split(' '));

  await assert.rejects(stage.ping(inner, left.ip4, '-w', '1'));
  assert.ok((await stage.count(far, 'src_ip4')) > 0);
  await setRoutes([
    { destination: '172.30.0.0/24', via: far.ip4 },
    { destination: 'fd30::/64', via: far.ip6 },
  ]);
  for (const family of families) {
    for (const from of [left, near]) await stage.ping(from, ip(inner, family));
    for (const to of [left, near]) await stage.ping(inner, ip(to, family));
    await transfer(stage, left, inner, ip(inner, family), bulkBytes);
    await transfer(stage, inner, left, ip(left, family), bulkBytes);
    await transfer(stage, inner, near, ip(near, family), bulkBytes);
  }
  await assert.rejects(stage.ping(inner, left.ip4, '-t', '2'), /From 10\.62\.0\.1 .*Time to live exceeded/);
  for (const address of ['10.62.0.1', '10.61.0.1', 'fd62::1', 'fd61::1']) await stage.ping(inner, address);
  await stage.client.update('network', 'right', { sourceNat: true }, { tenant: 'a', waitMs });
  await until('what is behind a workload gets outside', 10_000, async () => {
    const { code } = await stage.lab.execIn(inner.workload, ['ping', '-n', '-c', '1', '-W', '1', '198.18.0.254']);
    return code === 0 ? true : undefined;
  });
});

test('a changed route holds at once for what is under way', async () => {
  const inner = '172.30.0.2';
  await stage.ping(left, inner);
  await setRoutes([{ destination: '172.30.0.0/16' }, { destination: '172.30.0.2/32' }]);
  await assert.rejects(stage.ping(left, inner, '-w', '1'), /0 received/);
  assert.ok((await stage.count(left, 'blackhole')) > 0);
  await setRoutes([{ destination: '172.30.0.0/16' }, { destination: '172.30.0.2/32', via: far.ip4 }]);
  await stage.ping(left, inner);
  await assert.rejects(stage.ping(left, '172.30.0.3', '-w', '1'), /0 received/);
  await setRoutes([]);
  await assert.rejects(stage.ping(left, inner, '-w', '1'));
});

test('A25: a tenant with the same addresses is another world', async () => {
  const [b, bNear, bFar] = await town('b');
  await stage.client.create('router', { name: 'r', subnets }, { tenant: 'b', waitMs });
  await stage.ping(b, bFar.ip4);
  using seen = openPackets(bFar.netns, bFar.ifname);
  using own = openPackets(far.netns, far.ifname);
  for (const family of families) await stage.ping(left, ip(far, family), '-p', 'aabbaabbaabbaabb');
  assert.ok(own.received().length > 0);
  assert.deepEqual(seen.received(), []);
  await stage.detach(far);
  await stage.settled(near);
  for (const family of families) await assert.rejects(stage.ping(left, ip(far, family), '-w', '2'), /unreachable/i);
  for (const family of families) await stage.ping(b, ip(bFar, family));
  await stage.ping(bNear, b.ip4);
});

test('without the router nothing is left of it', async () => {
  await stage.client.remove('router', 'r', { tenant: 'a', waitMs });
  await assert.rejects(stage.ping(left, near.ip4, '-w', '1'));
  await assert.rejects(stage.ping(left, '10.62.0.1', '-w', '1'));
  await stage.ping(left, '10.61.0.1');
});
