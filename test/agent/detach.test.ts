/** A detach leaves nothing, whoever is away when it is asked for. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readlinkSync } from 'node:fs';
import { after, test } from 'node:test';
import { portFlags, portRow } from '../../src/datapath/layouts.ts';
import { until } from '../../src/lab/processes.ts';
import { hasCode } from '../../src/model/errors.ts';
import { Rig } from './rig.ts';

const rig = await Rig.open();
after(() => rig[Symbol.asyncDispose]());

test('a detach by name or id leaves nothing, and cannot be repeated', async () => {
  await using w = await rig.workload();
  for (const by of ['name', 'id'] as const) {
    const before = await rig.quietTrace('h1');
    const { port } = await rig.attach('h1', { target: w.path });
    assert.deepEqual(await rig.detach('h1', port[by]), { released: true });
    await rig.back('h1', before);
    assert.equal(w.inside().link('eth0'), undefined);
    await assert.rejects(rig.detach('h1', port[by]), (e) => hasCode(e, 'NOT_FOUND'));
  }
});

test('with the controller away a detach is immediate in the kernel, and told later', async () => {
  await using w = await rig.workload();
  const before = await rig.quietTrace('h1');
  const { port, device } = await rig.attach('h1', { target: w.path });
  await rig.lab.kill('controller');
  assert.deepEqual(await rig.detach('h1', port.id), { released: false });
  assert.equal(w.inside().link('eth0'), undefined);
  assert.ok(!rig.links('h1').some((l) => l.name === device));
  using ports = rig.map('h1', 'ports');
  const left = ports.entries().filter(([, value]) => (portRow.decode(value).flags & portFlags.ROUTER) === 0);
  assert.deepEqual(left, [], 'the gateway stays as long as the controller says so, and the port does not');
  const unknown = rig.attach('h1', { target: w.path, network: 'four' });
  await assert.rejects(unknown, (e) => hasCode(e, 'CONTROLLER_UNREACHABLE'));
  await rig.lab.start('controller');
  await rig.lab.ready('controller');
  await rig.back('h1', before, 15_000);
});

test('after a detach that the controller does not know of, the same attach works as soon as it is back', async () => {
  await using w = await rig.workload();
  const { port } = await rig.attach('h1', { target: w.path });
  await rig.lab.kill('controller');
  await rig.detach('h1', port.id);
  await rig.lab.start('controller');
  await rig.lab.ready('controller');
  const again = await rig.attach('h1', { target: w.path });
  assert.deepEqual([again.ifname, again.port.name], ['eth0', port.name]);
  assert.notEqual(again.port.id, port.id);
  await rig.detach('h1', again.port.id);
});

test('a workload whose namespace is gone shows an error, and can be detached', async () => {
  const before = await rig.quietTrace('h1');
  await using w = await rig.workload();
  const { port } = await rig.attach('h1', { target: w.path });
  await w.remove();
  const { status } = await rig.portIs(port.id, 'error');
  assert.equal(status.code, 'NETNS_NOT_FOUND');
  assert.match(status.message ?? '', new RegExp(w.path));
  await rig.detach('h1', port.id);
  await rig.back('h1', before);
});

test('a detach right after the namespace went is no error', async () => {
  const before = await rig.quietTrace('h1');
  for (let i = 0; i < 5; i++) {
    await using w = await rig.workload();
    const { port } = await rig.attach('h1', { target: w.path });
    await Promise.all([w.remove(), rig.detach('h1', port.id)]);
  }
  await rig.back('h1', before);
});

test('another namespace under the path of a gone one is another workload', async () => {
  await using w = await rig.workload();
  const first = await rig.attach('h1', { target: w.path });
  await rig.lab.removeWorkload(w.name);
  await rig.lab.addWorkload(w.name);
  const { status } = await rig.portIs(first.port.id, 'error');
  assert.match(status.message ?? '', /as it was when attached/);
  assert.equal(w.inside().link('eth0'), undefined);
  await rig.detach('h1', first.port.id);
  const second = await rig.attach('h1', { target: w.path });
  assert.notEqual(second.port.id, first.port.id);
  await rig.detach('h1', second.port.id);
});

test('deleting a port at the controller takes its interface away', async () => {
  await using w = await rig.workload();
  const before = await rig.quietTrace('h1');
  const { port } = await rig.attach('h1', { target: w.path });
  await rig.client.remove('port', port.id, { tenant: rig.tenant, waitMs: 20_000 });
  await until('the interface is gone', 5_000, () => (w.inside().link('eth0') ? undefined : true));
  await rig.back('h1', before);
});

test('unbinding a port at the controller takes its interface away, and it wants a new attach', async () => {
  await using w = await rig.workload();
  const { tenant, client } = rig;
  const { port } = await rig.attach('h1', { target: w.path });
  await client.update('port', port.id, { host: null }, { tenant, waitMs: 20_000 });
  await until('the interface is gone', 20_000, () => (w.inside().link('eth0') ? undefined : true));
  await client.update('port', port.id, { host: 'h1' }, { tenant, waitMs: 20_000 });
  assert.equal((await rig.portIs(port.id, 'pending')).status.code, 'NOT_ATTACHED');
  const again = await rig.attach('h1', { target: w.path, port: port.name });
  assert.deepEqual([again.port.id, w.inside().link('eth0')?.mac], [port.id, port.mac]);
  await rig.detach('h1', port.id);
  await client.remove('port', port.id, { tenant });
});

test('a detach while the attach is under way ends it at once, and leaves nothing', async () => {
  await using w = await rig.workload();
  const before = await rig.quietTrace('h1');
  for (let i = 0; i < 8; i++) {
    const attach = rig.attach('h1', { target: w.path, port: 'hasty' });
    const outcome = attach.then(
      () => 'attached',
      (e: unknown) => (hasCode(e, 'DETACHED') ? 'detached' : String(e)),
    );
    await until('the agent knows the attachment', 20_000, async () => {
      const { items } = (await rig.local('h1', 'GET', '/v1/attachments')) as { items: { name: string }[] };
      return items.some((a) => a.name === 'hasty') ? true : undefined;
    });
    await rig.detach('h1', 'hasty');
    assert.match(await outcome, /^(attached|detached)$/);
    await rig.back('h1', before);
  }
});

test('a workload whose path is gone, but not its namespace, stays up through a restart', async () => {
  await using w = await rig.workload();
  const { port } = await rig.attach('h1', { target: w.path });
  const keeper = spawn('nsenter', [`--net=${w.path}`, 'sleep', '60']);
  await once(keeper, 'spawn');
  await until('the process is inside', 20_000, () =>
    readlinkSync(`/proc/${keeper.pid}/ns/net`) !== readlinkSync('/proc/self/ns/net') ? true : undefined,
  );
  try {
    await w.remove();
    await rig.lab.kill('h1');
    await rig.lab.start('h1');
    await rig.inSync('h1');
    const { status } = await rig.portIs(port.id, 'up');
    assert.match(status.message ?? '', /its MTU cannot be set/);
  } finally {
    keeper.kill('SIGKILL');
  }
  await rig.detach('h1', port.id);
});
