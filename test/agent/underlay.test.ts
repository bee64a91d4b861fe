/** Hosts in two underlay prefixes with a router between them: the fast path follows whatever the underlay does. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { indexKey, portRow, vtepFlags, vtepRow } from '../../src/datapath/layouts.ts';
import { until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';
import type { Ip } from '../../src/model/address.ts';
import { forgetNeighbours } from './forget-neighbours.ts';
import { Rig } from './rig.ts';

const rig = await Rig.open({ hosts: 3, subnets: 2 });
after(() => rig[Symbol.asyncDispose]());
const { lab, client } = rig;
const [a, near, far] = [await rig.workload(), await rig.workload(), await rig.workload()] as const;
const onA = await rig.attach('h1', { target: a.path });
/** On h3, in h1's own underlay prefix; on h2, behind the router. */
const onNear = await rig.attach('h3', { target: near.path });
const onFar = await rig.attach('h2', { target: far.path });
for (const { port } of [onA, onNear, onFar]) await rig.portIs(port.id, 'up');
const ways = { near: { host: 'h3', ip: onNear.port.addresses[0]! }, far: { host: 'h2', ip: onFar.port.addresses[0]! } };

/** h1's row of another host. */
async function row(host: string) {
  using map = rig.map('h1', 'vteps');
  const { number } = await client.get('host', host);
  return vtepRow.decode(map.lookup(indexKey.encode({ index: number }))!);
}
const fast = async (host: string) => ((await row(host)).flags & vtepFlags.FAST) !== 0;
const isFast = (host: string) =>
  until(`the way to ${host} is fast`, 10_000, async () => ((await fast(host)) ? true : undefined));
/** Packets of h1's port that took the slow path. */
async function slowPackets(): Promise<number> {
  const port = (await client.get('port', onA.port.id, { tenant: rig.tenant, counters: true })) as never as {
    counters: { reasons: Record<string, string> };
  };
  return Number(port.counters.reasons.slow_tx ?? 0);
}
/** Waits for the fast path; then a hundred answered pings, none of them on the slow one. */
async function fastTraffic({ host, ip }: { host: string; ip: string }): Promise<void> {
  await isFast(host);
  const before = await slowPackets();
  const { code, stdout } = await a.exec(['ping', '-n', '-q', '-c', '100', '-i', '0.002', '-W', '2', ip]);
  assert.equal(code, 0, stdout);
  assert.match(stdout, / 100 received/);
  assert.equal(await slowPackets(), before);
}
const onHost = (host: string, ...argv: string[]) => must(lab.host(host).argv(argv));
function forget(host: string, ip?: Ip): void {
  using nl = rig.netlink(host);
  forgetNeighbours(nl, 'eth0', ip);
}
const macOf = (host: string) => rig.links(host).find((l) => l.name === 'eth0')!.mac;
const text = (mac: Uint8Array) =>
  Buffer.from(mac)
    .toString('hex')
    .replaceAll(/(..)(?=.)/g, '$1:');

test('a neighbour is reached straight, and another prefix through the router, both on the fast path', async () => {
  for (const { host, ip } of Object.values(ways)) {
    assert.ok(await a.reaches(ip, 5));
    await fastTraffic({ host, ip });
  }
  assert.equal(text((await row('h3')).dst_mac), macOf('h3'));
  assert.equal(text((await row('h2')).dst_mac), '02:68:64:00:00:00', 'the router’s');
});

test('a peer’s new MAC is followed', async () => {
  const mac = '02:00:00:00:33:33';
  await onHost('h3', 'ip', 'link', 'set', 'eth0', 'address', mac);
  // As long as h3 is silent, h1's kernel believes the old MAC; what it sends to h1 begins with a question that has the new one.
  await until('the row has the new MAC', 10_000, async () => {
    forget('h3');
    await lab.host('h3').exec(['ping', '-n', '-q', '-c', '1', '-W', '1', lab.host('h1').vtep]);
    return text((await row('h3')).dst_mac) === mac ? true : undefined;
  });
  assert.ok(await a.reaches(ways.near.ip, 5));
  await fastTraffic(ways.near);
});

test('this host’s own new MAC is followed', async () => {
  const mac = '02:00:00:00:11:11';
  await onHost('h1', 'ip', 'link', 'set', 'eth0', 'address', mac);
  await until('the rows have it', 10_000, async () => (text((await row('h3')).src_mac) === mac ? true : undefined));
  for (const host of ['h2', 'h3']) forget(host);
  assert.ok(await a.reaches(ways.near.ip, 10));
  assert.ok(await a.reaches(ways.far.ip, 10));
});

test('a next hop that does not answer is off the fast path, its packets are counted, and it returns by itself', async () => {
  await fastTraffic(ways.near);
  const before = await slowPackets();
  await lab.cut('h3');
  try {
    forget('h1', lab.host('h3').vtep as Ip);
    await until('the way is slow', 10_000, async () => ((await fast('h3')) ? undefined : true));
    await a.reaches(ways.near.ip, 1);
    assert.ok((await slowPackets()) > before);
    await fastTraffic(ways.far);
    const status = await rig.status('h1');
    assert.deepEqual([status.vteps.slow, status.vteps.fast], [[lab.host('h3').vtep], [lab.host('h2').vtep]]);
  } finally {
    await lab.heal('h3');
  }
  await isFast('h3');
  assert.ok(await a.reaches(ways.near.ip, 5));
  await fastTraffic(ways.near);
});

test('the slow path carries traffic both ways, and every packet on it is counted', async () => {
  using map = rig.map('h1', 'vteps');
  const key = indexKey.encode({ index: (await client.get('host', 'h3')).number });
  const value = map.lookup(key)!;
  const { flags, ...rest } = vtepRow.decode(value);
  const slow = vtepRow.encode({ ...rest, flags: flags & ~vtepFlags.FAST });
  // The agent's regular look at its rows may mend this one meanwhile; then it is done again.
  const counted = await until('traffic while the row was ours', 30_000, async () => {
    const before = await slowPackets();
    map.update(key, slow);
    try {
      const { code, stdout } = await a.exec(['ping', '-n', '-q', '-c', '50', '-i', '0.002', '-W', '2', ways.near.ip]);
      assert.equal(code, 0, stdout);
      assert.match(stdout, / 50 received/);
      return Buffer.compare(map.lookup(key)!, slow) === 0 ? (await slowPackets()) - before : undefined;
    } finally {
      map.update(key, value);
    }
  });
  assert.equal(counted, 50);
  await fastTraffic(ways.near);
});

test('a route through another gateway is followed', async () => {
  const vtep = lab.host('h3').vtep;
  await onHost('h1', 'ip', 'route', 'add', `${vtep}/32`, 'via', '198.18.0.254');
  try {
    await until('the row has the router’s MAC', 10_000, async () =>
      text((await row('h3')).dst_mac) === '02:68:64:00:00:00' && (await fast('h3')) ? true : undefined,
    );
    await fastTraffic(ways.near);
  } finally {
    await onHost('h1', 'ip', 'route', 'delete', `${vtep}/32`);
  }
  await until('the row has the peer’s MAC', 10_000, async () =>
    text((await row('h3')).dst_mac) === macOf('h3') ? true : undefined,
  );
  await fastTraffic(ways.near);
});

test('the underlay’s MTU is followed by interfaces, rows and the other hosts', async () => {
  const mtuOfPort = () => {
    using map = rig.map('h1', 'ports');
    return new Set(map.entries().map(([, value]) => portRow.decode(value).mtu));
  };
  for (const mtu of [1400, 1500]) {
    await onHost('h1', 'ip', 'link', 'set', 'eth0', 'mtu', String(mtu));
    await until(`the interface has ${mtu - 50}`, 10_000, () =>
      a.inside().link('eth0')?.mtuBytes === mtu - 50 ? true : undefined,
    );
    await until('the rows of port and gateway have it', 10_000, () =>
      [...mtuOfPort()].join() === `${mtu - 50}` ? true : undefined,
    );
    await until('the row of the peer has it', 10_000, async () =>
      (await row('h3')).mtu === mtu - 50 ? true : undefined,
    );
    await until('the controller has it', 10_000, async () =>
      (await client.get('host', 'h1')).mtuBytes === mtu ? true : undefined,
    );
    assert.equal((await rig.status('h1')).underlayMtuBytes, mtu);
    assert.equal((await rig.attach('h1', { target: a.path })).mtuBytes, mtu - 50);
  }
  await rig.portIs(onA.port.id, 'up');
  await fastTraffic(ways.near);
});
