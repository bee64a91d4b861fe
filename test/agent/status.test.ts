/** What the agent says of itself, and what the controller says of it. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { hasCode } from '../../src/model/errors.ts';
import { Rig } from './rig.ts';

const rig = await Rig.open();
after(() => rig[Symbol.asyncDispose]());
const { lab, client, tenant } = rig;

test('the agent’s status names host, underlay, sync, ports, ways and counters', async () => {
  await using w = await rig.workload();
  await using far = await rig.workload();
  const { port } = await rig.attach('h1', { target: w.path });
  const other = await rig.attach('h2', { target: far.path });
  assert.ok(await w.reaches(other.port.addresses[0]!, 5));
  const { id, number } = await client.get('host', 'h1');
  const status = await rig.status('h1');
  // Names, leases and what is yet to be told have tests of their own.
  const {
    rows,
    rssBytes,
    revision,
    counters,
    version,
    controller,
    certificate,
    dns,
    dhcp,
    metadata,
    gateways,
    leases,
    pendingUploads,
    startWarnings,
    ...rest
  } = status;
  assert.deepEqual(
    [
      typeof dns,
      typeof dhcp,
      typeof metadata,
      typeof gateways,
      typeof leases,
      typeof startWarnings,
      typeof pendingUploads,
    ],
    ['object', 'object', 'object', 'object', 'object', 'object', 'number'],
  );
  assert.deepEqual(rest, {
    name: 'h1',
    host: { id, number, name: 'h1' },
    vtep: lab.host('h1').vtep,
    underlayMtuBytes: 1500,
    synced: true,
    refused: [],
    segments: [],
    ports: { up: 1, notUp: [] },
    troubles: [],
    untold: {},
    vteps: { fast: [lab.host('h2').vtep], slow: [] },
  });
  assert.equal(controller.connected, true);
  assert.match(controller.address, /^https:/);
  assert.deepEqual(Object.keys(certificate ?? {}), ['until']);
  assert.match(version, /^\d+\.\d+/);
  assert.equal(rows.desired, rows.actual);
  assert.ok(BigInt(revision) >= BigInt(port.revision));
  assert.ok(rssBytes < 250 * 2 ** 20, `${rssBytes} bytes`);
  assert.deepEqual(Object.keys(counters).sort(), ['reasons', 'rxBytes', 'rxPackets', 'txBytes', 'txPackets']);
  await rig.detach('h1', port.id);
  await rig.detach('h2', other.port.id);
});

test('a port’s condition is unbound, pending, up and, when its host is away, unknown', async () => {
  await using w = await rig.workload();
  await client.create('port', { name: 'c', network: 'web' }, { tenant });
  assert.equal((await rig.port('c')).status.condition, 'unbound');
  await client.update('port', 'c', { host: 'h1' }, { tenant, waitMs: 20_000 });
  const { condition, code, message } = (await rig.port('c')).status;
  assert.deepEqual([condition, code], ['pending', 'NOT_ATTACHED']);
  assert.match(message ?? '', /nothing is attached/);
  const { device } = await rig.attach('h1', { target: w.path, port: 'c' });
  assert.equal((await rig.portIs('c', 'up')).status.device, device);
  await lab.kill('h1', 'SIGKILL');
  await rig.portIs('c', 'unknown');
  assert.equal((await client.get('host', 'h1')).status.condition, 'offline');
  await lab.start('h1');
  assert.equal((await rig.portIs('c', 'up')).status.device, device);
  await rig.detach('h1', 'c');
  await client.remove('port', 'c', { tenant });
});

test('a write that waits returns when the hosts concerned have applied it', async () => {
  await using w = await rig.workload();
  const { port } = await rig.attach('h1', { target: w.path });
  for (let i = 0; i < 5; i++) {
    const mtuBytes = 1300 + i;
    await client.update('network', 'web', { mtuBytes }, { tenant, waitMs: 20_000 });
    assert.equal(w.inside().link('eth0')?.mtuBytes, mtuBytes);
  }
  await client.update('network', 'web', { mtuBytes: null }, { tenant, waitMs: 20_000 });
  await client.remove('port', port.id, { tenant, waitMs: 20_000 });
  assert.equal(w.inside().link('eth0'), undefined);
});

test('a write that waits in vain names the hosts, and is written all the same', async () => {
  await using w = await rig.workload();
  const { port } = await rig.attach('h1', { target: w.path });
  await lab.kill('h1', 'SIGSTOP');
  try {
    await assert.rejects(client.update('network', 'web', { mtuBytes: 1333 }, { tenant, waitMs: 300 }), (e: Error) => {
      assert.ok(hasCode(e, 'WAIT_TIMEOUT'), `${e}`);
      assert.deepEqual(e.details.hosts, ['h1']);
      return true;
    });
    assert.equal((await client.get('network', 'web', { tenant })).mtuBytes, 1333);
  } finally {
    await lab.kill('h1', 'SIGCONT');
  }
  await client.update('network', 'web', { mtuBytes: 1334 }, { tenant, waitMs: 10_000 });
  assert.equal(w.inside().link('eth0')?.mtuBytes, 1334);
  await client.update('network', 'web', { mtuBytes: null }, { tenant });
  await rig.detach('h1', port.id);
});
