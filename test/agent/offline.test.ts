/** Workloads come and go while the controller is away, as long as the host has a lease; nothing is lost or doubled by it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { hasCode } from '../../src/model/errors.ts';
import { Rig } from './rig.ts';
import type { Workload } from './workload.ts';

const rig = await Rig.open();
after(() => rig[Symbol.asyncDispose]());
const { lab, client, tenant } = rig;
/** Keeps the network, and with it the lease, on h1; and somebody to talk to on h2. */
const [keeper, far] = [await rig.workload(), await rig.workload()] as const;
const kept = await rig.attach('h1', { target: keeper.path });
const onH2 = await rig.attach('h2', { target: far.path });

const away = () => lab.kill('controller');
async function back(): Promise<void> {
  await lab.start('controller');
  await lab.ready('controller');
}
/** All that h1 had to tell has been told, and h2 hears of it. */
const told = async (): Promise<void> => {
  await until('h1 has told everything', 30_000, async () => {
    const { controller, pendingUploads } = await rig.status('h1');
    return controller.connected && pendingUploads === 0 ? true : undefined;
  });
  const { revision } = await client.snapshot('port', { tenant });
  await until('h2 has heard of it', 30_000, async () =>
    BigInt((await rig.status('h2')).revision) >= BigInt(revision) ? true : undefined,
  );
};
const restart = async () => {
  await lab.kill('h1', 'SIGKILL');
  await lab.start('h1');
  await until('the agent serves', 30_000, () => rig.statusIfServed('h1'));
};
const names = async (): Promise<string[]> => (await client.list('port', { tenant })).map(({ name }) => name).sort();

async function talk(from: Workload, addresses: readonly string[]): Promise<void> {
  for (const ip of addresses) assert.ok(await from.reaches(ip, 10), `${from.name} to ${ip}`);
}

test('without the controller workloads are attached and reach their neighbours; the controller learns of them', async () => {
  await using w = await rig.workload();
  await away();
  const { port, ifname } = await rig.attach('h1', { target: w.path, labels: { app: 'x' } });
  assert.deepEqual([port.revision, port.host, ifname], ['0', kept.port.host, 'eth0']);
  assert.deepEqual([port.tenant, port.network], [kept.port.tenant, kept.port.network]);
  assert.equal((await rig.status('h1')).pendingUploads, 1);
  await talk(w, kept.port.addresses);
  await back();
  await told();
  const { addresses, mac, ephemeral, labels } = await rig.portIs(port.id, 'up');
  assert.deepEqual(
    { addresses, mac, ephemeral, labels },
    {
      ...{ addresses: port.addresses, mac: port.mac, ephemeral: true, labels: { app: 'x' } },
    },
  );
  await talk(w, onH2.port.addresses);
  await talk(far, port.addresses);
  await rig.detach('h1', port.id);
});

test('without the controller a network of which there is no lease is refused', async () => {
  await using w = await rig.workload();
  await away();
  await assert.rejects(rig.attach('h1', { target: w.path, network: 'four' }), (e) =>
    hasCode(e, 'CONTROLLER_UNREACHABLE'),
  );
  await assert.rejects(rig.attach('h1', { target: w.path, addresses: ['10.0.0.99'] }), (e) =>
    hasCode(e, 'CONTROLLER_UNREACHABLE'),
  );
  assert.deepEqual(
    w.inside().links.map((l) => l.name),
    ['lo'],
  );
  await back();
  await told();
});

test('a workload that came and went without the controller is nowhere; its address serves the next one at once', async () => {
  await using w = await rig.workload();
  const before = await names();
  await away();
  const first = await rig.attach('h1', { target: w.path });
  assert.deepEqual(await rig.detach('h1', first.port.id), { released: false });
  assert.equal(w.inside().link('eth0'), undefined);
  const second = await rig.attach('h1', { target: w.path });
  assert.notEqual(second.port.id, first.port.id);
  assert.deepEqual([second.port.addresses, second.port.mac], [first.port.addresses, first.port.mac]);
  await talk(keeper, second.port.addresses);
  await back();
  await told();
  assert.deepEqual(await names(), [...before, second.port.name].sort());
  assert.equal((await rig.portIs(second.port.name, 'up')).id, second.port.id);
  await rig.detach('h1', second.port.id);
  assert.deepEqual(await names(), before);
});

test('a port that the controller knows is removed and its address given again, all without the controller', async () => {
  await using w = await rig.workload();
  await using next = await rig.workload();
  const old = await rig.attach('h1', { target: w.path });
  await rig.portIs(old.port.id, 'up');
  await away();
  await rig.detach('h1', old.port.id);
  const made = await rig.attach('h1', { target: next.path });
  assert.deepEqual(made.port.addresses, old.port.addresses);
  await back();
  await told();
  await assert.rejects(rig.port(old.port.id), (e) => hasCode(e, 'NOT_FOUND'));
  assert.deepEqual((await rig.portIs(made.port.id, 'up')).addresses, old.port.addresses);
  await talk(far, made.port.addresses);
  await rig.detach('h1', made.port.id);
});

test('agents killed without the controller keep what they decided, and tell it once', async () => {
  await using w = await rig.workload();
  await using gone = await rig.workload();
  const before = await names();
  const leaving = await rig.attach('h1', { target: gone.path });
  await away();
  const { port, device } = await rig.attach('h1', { target: w.path });
  await restart();
  await rig.detach('h1', leaving.port.id);
  await restart();
  assert.ok(rig.links('h1').some((l) => l.name === device));
  assert.equal(w.inside().link('eth0')?.mac, port.mac);
  await talk(w, kept.port.addresses);
  const more = await rig.attach('h1', { target: gone.path });
  const taken = [...port.addresses, ...kept.port.addresses];
  for (const ip of more.port.addresses) assert.ok(!taken.includes(ip), `${ip} is given twice`);
  await back();
  await told();
  assert.deepEqual(await names(), [...before, port.name, more.port.name].sort());
  await talk(far, [...port.addresses, ...more.port.addresses]);
  for (const { id } of [port, more.port]) await rig.detach('h1', id);
});

test('a port whose name was taken meanwhile gets another one', async () => {
  await using w = await rig.workload();
  await away();
  const { port } = await rig.attach('h1', { target: w.path });
  await lab.kill('h1', 'SIGSTOP');
  try {
    await back();
    await client.create('port', { name: port.name, network: 'web' }, { tenant });
  } finally {
    await lab.kill('h1', 'SIGCONT');
  }
  await told();
  const { name } = await rig.portIs(port.id, 'up');
  assert.equal(name, `${port.name}-${port.id.slice(-6)}`);
  await client.remove('port', port.name, { tenant });
  await rig.detach('h1', name);
});

test('after the last detach the host holds nothing of the network', async () => {
  await rig.detach('h1', kept.port.id);
  await until('no lease on h1', 20_000, async () => {
    const leases = await client.list('lease', { tenant, host: 'h1' });
    const { leases: held } = await rig.status('h1');
    return leases.length === 0 && held.length === 0 ? true : undefined;
  });
});
