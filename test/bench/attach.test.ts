import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttachResult } from '../../bench/attach.ts';
import { run } from '../../src/lab/run.ts';
import { bench, leftovers } from './bench.ts';

test('the attach benchmark prints one JSON object with three latencies, and removes its lab', async () => {
  const { code, stdout, stderr } = await run([...bench, 'attach', '--json', '--count', '3']);
  assert.equal(code, 0, stderr);
  const result = JSON.parse(stdout) as AttachResult;
  assert.equal(result.count, 3);
  for (const latency of [result.attach_ms, result.detach_ms, result.reach_ms])
    assert.ok(latency.p50 > 0 && latency.p50 <= latency.p99, stdout);
  assert.deepEqual(leftovers(stderr), []);
});
