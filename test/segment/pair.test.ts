// exclusive: it counts lost packets and frames
/** Two hosts that serve one segment: one forwards, the other takes over when it is gone, and nothing comes twice or goes round. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { hasCode } from '../../src/model/errors.ts';
import { Rig } from '../agent/rig.ts';
import { nic } from './lan.ts';
import { Pair } from './pair.ts';

const vlan = 120;
const ips = ['10.0.0.150', 'fd00:1::150'];
const device = { kind: 'device', ifname: nic, vlan, port: 'plant', learn: 0 } as const;
let rig: Rig;
let pair: Pair;

before(async () => {
  rig = await Rig.open({ hosts: 3 });
  pair = await Pair.open(rig, { vlan, addresses: ['10.0.0.150/24', 'fd00:1::150/64'] });
});
after(() => rig?.[Symbol.asyncDispose]());

test('one forwards and the other stands by; a broadcast comes once, and not back', async () => {
  await pair.settled('h1', 'h2');
  const [one, two] = [await rig.port('plant'), await rig.client.list('host')];
  assert.equal(two.find(({ id }) => id === one.host)?.name, 'h1');
  assert.equal(two.find(({ id }) => id === one.standby)?.name, 'h2');
  for (const ip of pair.there.port.addresses) assert.ok(await pair.machine.reaches(ip, 5));
  for (const ip of ips) assert.ok(await pair.far.reaches(ip, 5));
  assert.deepEqual(await pair.broadcasts(), { toFar: 1, toMachine: 1, back: 0 });
});

test('when the active one is gone, the other takes over in less than three seconds, and nothing comes twice', (t) =>
  pair.outlives(t, {
    async taken() {
      // The programs of the one that is gone are still in its kernel: nothing passes them.
      assert.deepEqual(await pair.broadcasts(), { toFar: 1, toMachine: 1, back: 0 });
      for (const ip of ips) assert.ok(await pair.far.reaches(ip, 5));
    },
  }));

test('an operator switches by binding the port to the other host, and no broadcast comes twice meanwhile', async (t) => {
  await pair.settled('h1', 'h2');
  await pair.changes(t, async () => {
    await rig.client.update('port', 'plant', { host: 'h2' }, { tenant: rig.tenant, waitMs: 20_000 });
    await pair.settled('h2', 'h1');
  });
});

test('a host that hears nothing of the one that forwards, as on another VLAN, leaves it alone and says so', async () => {
  await pair.settled('h1', 'h2');
  const { id, host } = await rig.port('plant');
  await rig.detach('h2', id);
  await rig.attach('h2', { ...device, vlan: vlan + 1 });
  const said = await until('it has asked', 30_000, async () => (await pair.segment('h2'))?.problem);
  assert.match(said, /hears nothing of the other host/);
  assert.deepEqual([(await rig.port('plant')).host, (await pair.segment('h2'))?.switches], [host, 0]);
  assert.deepEqual(await pair.broadcasts(), { toFar: 1, toMachine: 1, back: 0 });
  await rig.detach('h2', id);
  await rig.attach('h2', device);
  await pair.settled('h1', 'h2');
});

test('a second segment of the network on the same wire is held down, and says so', async () => {
  await pair.lan.plug('h3', 'eth3');
  const isHeld = () =>
    until('it is held down', 20_000, async () => {
      const { held, problem } = (await pair.segment('h3')) ?? {};
      return held === 'loop' ? problem : undefined;
    });
  // Nor does anything go round before it has heard of the other: when it is new, and with a new agent.
  const { port } = await pair.noneTwice(async () => {
    const twin = await rig.attach('h3', { kind: 'device', ifname: 'eth3', vlan, port: 'twin' });
    assert.match(await isHeld(), /older segment of the same network is on the same wire/);
    await until('it is in the cache', 20_000, async () =>
      readFileSync(`${rig.stateDir('h3')}/host-state.json`, 'utf8').includes(twin.port.id) ? true : undefined,
    );
    await rig.lab.kill('h3');
    await rig.lab.start('h3');
    await rig.lab.ready('h3');
    await isHeld();
    return twin;
  });
  await rig.portIs('twin', 'error');
  assert.deepEqual(await pair.broadcasts(), { toFar: 1, toMachine: 1, back: 0 });
  await rig.detach('h3', port.id);
});

test('a host that is detached leaves the segment to the other one, and the last one takes the port with it', async () => {
  const { id } = await rig.port('plant');
  await pair.settled('h1', 'h2');
  await rig.detach('h2', id);
  await until('h1 knows that it is alone', 20_000, async () => {
    const s = await pair.segment('h1');
    return s?.role === 'active' && !s.held && !s.paired ? true : undefined;
  });
  assert.equal((await rig.port('plant')).standby, undefined);
  // A host that does not know of the other would forward as well: without its agent it does so for ever.
  await rig.lab.kill('h1');
  await assert.rejects(rig.attach('h2', device), (e) => hasCode(e, 'SEGMENT_UNAWARE'));
  await until('it is undone', 20_000, async () => ((await rig.port('plant')).standby === undefined ? true : undefined));
  assert.deepEqual(await pair.broadcasts(), { toFar: 1, toMachine: 1, back: 0 });
  await rig.lab.start('h1');
  await rig.lab.ready('h1');
  await pair.takesOver('h1');
  assert.ok(await pair.machine.reaches(pair.there.port.addresses[0]!, 5));
  await rig.client.remove('port', 'plc', { tenant: rig.tenant });
  await rig.detach('h1', id);
  await until('the port is gone', 10_000, async () => {
    const ports = await rig.client.list('port', { tenant: rig.tenant });
    return ports.every((p) => p.id === pair.there.port.id) ? true : undefined;
  });
});
