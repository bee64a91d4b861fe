/** What the DNS does when agent and controller die, and when a workload misbehaves. */
// exclusive: a flood, beside which every answer counts
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { Rig } from '../agent/rig.ts';
import { gateway, openStation } from './station.ts';

const rig = await Rig.open({ hosts: 2 });
const web = await openStation(rig, 'h1', 'web');
const db = await openStation(rig, 'h2', 'db');
after(async () => {
  await web[Symbol.asyncDispose]();
  await db[Symbol.asyncDispose]();
  await rig[Symbol.asyncDispose]();
});

/** Milliseconds until a name is answered. */
async function answeredAfter(name: string): Promise<number> {
  const start = performance.now();
  await until(`an answer to ${name}`, 20_000, async () => {
    const answer = await web.client.askIfServed(gateway.four, name, 'A', 100);
    return answer?.data.length === 1 || undefined;
  });
  return performance.now() - start;
}

test('a killed agent’s DNS is back as soon as its next one is, without a controller too', async (t) => {
  assert.deepEqual((await web.client.ask(gateway.four, 'db')).data, [db.four]);
  await rig.lab.kill('h1');
  const again = answeredAfter('db');
  await rig.lab.start('h1');
  t.diagnostic(`answers ${Math.round(await again)} ms after the kill`);
  await rig.inSync('h1');
  await using leaving = await openStation(rig, 'h1', 'leaving');
  assert.deepEqual((await web.client.ask(gateway.four, 'leaving')).data, [leaving.four]);
  await rig.lab.kill('controller');
  assert.deepEqual((await web.client.ask(gateway.four, 'db')).data, [db.four]);
  await leaving.detach();
  await until('a workload that left meanwhile has no name', 2_000, async () =>
    (await web.client.ask(gateway.four, 'leaving')).rcode === 3 ? true : undefined,
  );
  await rig.lab.kill('h1');
  await rig.lab.start('h1');
  await answeredAfter('db');
  assert.equal((await web.client.ask(gateway.four, 'leaving')).rcode, 3);
  await rig.lab.start('controller');
  await rig.lab.ready('controller');
  await rig.inSync('h1');
});

test('a host that is away keeps its names', async () => {
  await rig.lab.kill('h2');
  await until('h2 is offline', 30_000, async () => {
    const { status } = await rig.client.get('host', 'h2');
    return status.condition === 'offline' || undefined;
  });
  assert.deepEqual((await web.client.ask(gateway.four, 'db')).data, [db.four]);
  await rig.lab.restart('h2');
});

test('a workload that floods its gateway with queries does not keep another one from its answers', async (t) => {
  await using other = await openStation(rig, 'h1', 'other');
  const flood = web.client.flood(gateway.four, 'db', 3_000);
  let [answered, slowestMs] = [0, 0];
  for (let i = 0; i < 20; i++) {
    const start = performance.now();
    const { data } = await other.client.ask(gateway.four, 'db', 'A', { timeoutMs: 5_000 });
    slowestMs = Math.max(slowestMs, performance.now() - start);
    assert.deepEqual(data, [db.four]);
    answered += 1;
  }
  t.diagnostic(`${await flood} queries of the flood; the other's slowest answer took ${Math.round(slowestMs)} ms`);
  assert.equal(answered, 20);
  assert.deepEqual(
    (await web.client.resolve(gateway.four, 'db')).length,
    1,
    'the flooder is answered again when it stops',
  );
});
