import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keepTrying } from './retries.ts';

const backoffMs = { first: 1, last: 2 };

test('is tried until it is done; a problem is told once, and anew after things went well', async () => {
  const told: string[] = [];
  const outcomes = ['away', 'away', 'well', 'away', 'not yet', 'done'];
  const work = async (well: () => void) => {
    const now = outcomes.shift();
    if (now === 'away') throw new Error(now);
    if (now === 'well') well();
    return now === 'done';
  };
  await keepTrying(work, { backoffMs, signal: new AbortController().signal, tell: (problem) => told.push(problem) });
  assert.deepEqual([told, outcomes], [['away', 'away'], []]);
});

test('an abort ends it during a wait, and is told to nobody', async () => {
  const stop = new AbortController();
  const tell = () => assert.fail('nothing is to be told');
  const during = keepTrying(async () => false, {
    backoffMs: { first: 60_000, last: 60_000 },
    signal: stop.signal,
    tell,
  });
  stop.abort();
  await during;
  const cut = new AbortController();
  const work = async () => {
    cut.abort();
    throw new Error('cut off');
  };
  await keepTrying(work, { backoffMs, signal: cut.signal, tell });
});
