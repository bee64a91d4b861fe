import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ApplyBench } from '../../bench/apply.ts';
import { run } from '../../src/lab/run.ts';
import { bench, leftovers } from './bench.ts';

test('the apply benchmark prints one JSON object with its figures: a second run writes nothing, and nothing stays', async () => {
  const { code, stdout, stderr } = await run([
    ...bench,
    ...['apply', '--json', '--documents', '60', '--writes', '20', '--count', '1'],
  ]);
  assert.equal(code, 0, stderr);
  const { kernel: _, date, count, documents, revisions_again, ...figures } = JSON.parse(stdout) as ApplyBench;
  assert.ok(Date.parse(date) > 0);
  assert.deepEqual({ count, documents, revisions_again }, { count: 1, documents: 60, revisions_again: 0 });
  assert.deepEqual(Object.keys(figures), [
    ...['apply_s', 'again_s', 'request_s', 'request_again_s', 'writes_per_s', 'writes_at_once_per_s'],
  ]);
  for (const { median, min, max } of Object.values(figures))
    assert.ok(min > 0 && min <= median && median <= max, stdout);
  assert.deepEqual(leftovers(stderr), []);
});
