/** A workload that asks in bad faith does not keep its neighbour, whose server is the same, from its answers. */
// exclusive: a flood is to disturb nobody, and that shows only where nothing else does
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { until } from '../../src/lab/processes.ts';
import { Rig } from '../agent/rig.ts';
import { Guest, service } from './guest.ts';

const rig = await Rig.open({ hosts: 1 });
const bad = await Guest.open(rig, 'h1', { name: 'bad' });
const good = await Guest.open(rig, 'h1', { name: 'good', userData: 'x'.repeat(16_384) });
after(async () => {
  for (const one of [bad, good, rig]) await one[Symbol.asyncDispose]();
});
const script = fileURLToPath(new URL('flood.ts', import.meta.url));
const node = [process.execPath, '--disable-warning=ExperimentalWarning'];

/** How long the good one waited for its slowest answer meanwhile, and what the flood tells of itself. */
async function during(way: string, address: string): Promise<{ slowestMs: number; flood: string }> {
  const [program = '', ...argv] = bad.workload.argv([...node, script, way, address]);
  const child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  let flood = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    flood += text;
  });
  const ended = once(child, 'close');
  try {
    const before = (await rig.status('h1')).metadata.refused;
    await until('the flood has come', 10_000, async () =>
      (await rig.status('h1')).metadata.refused > before ? true : undefined,
    );
    let slowestMs = 0;
    // As often as it may for as long as it likes.
    for (let i = 0; i < 25; i++, await delay(100)) {
      const start = performance.now();
      const { status, body } = await good.ask(`${service.four}/latest/user-data`);
      slowestMs = Math.max(slowestMs, performance.now() - start);
      assert.deepEqual([status, body.length], [200, 16_384]);
    }
    child.kill('SIGTERM');
    await ended;
    return { slowestMs: Math.round(slowestMs), flood };
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

for (const [way, address] of [
  ['slow', '169.254.169.254'],
  ['fast', 'fd00:ec2::254'],
  ['open', '169.254.169.254'],
] as const)
  test(`a flood of requests, ${way}, disturbs nobody else`, async (t) => {
    const { slowestMs, flood } = await during(way, address);
    t.diagnostic(`the flood: ${flood}; the neighbour's slowest answer took ${slowestMs} ms`);
  });

test('who has stopped is answered again, and nothing of it is left open', async () => {
  await until('the bad one is answered', 10_000, async () =>
    (await bad.ask(`${service.four}/`, '-m', '1')).status === 200 ? true : undefined,
  );
});
