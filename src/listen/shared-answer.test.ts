import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedAnswer } from './shared-answer.ts';

/** An answer that tells how often it was made, and a clock. */
function open() {
  const made: PromiseWithResolvers<number>[] = [];
  const clock = { ms: 5_000 };
  const make = () => {
    const next = Promise.withResolvers<number>();
    made.push(next);
    return next.promise;
  };
  return { made, clock, shared: new SharedAnswer(make, { mostMs: 1_000, now: () => clock.ms }) };
}

test('who asks while an answer is made shares it, however long it takes', async () => {
  const { made, clock, shared } = open();
  const first = shared.get();
  clock.ms += 60_000;
  const second = shared.get();
  made[0]!.resolve(7);
  assert.deepEqual([await first, await second, made.length], [7, 7, 1]);
});

for (const [what, tookMs, holdsMs] of [
  ['ten times as long as it took', 20, 200],
  ['a second, however long it took', 3_000, 1_000],
] as const)
  test(`an answer holds ${what}, and not longer`, async () => {
    const { made, clock, shared } = open();
    const first = shared.get();
    clock.ms += tookMs;
    made[0]!.resolve(7);
    await first;
    clock.ms += holdsMs - 1;
    assert.equal(await shared.get(), 7);
    assert.equal(made.length, 1);
    clock.ms += 1;
    const later = shared.get();
    made[1]!.resolve(8);
    assert.equal(await later, 8);
  });

test('all who asked are told why there is no answer, and who asks next asks anew', async () => {
  const { made, clock, shared } = open();
  const asked = [shared.get(), shared.get()];
  clock.ms += 100;
  made[0]!.reject(new Error('the store is gone'));
  for (const answer of asked) await assert.rejects(answer, /the store is gone/);
  const next = shared.get();
  made[1]!.resolve(8);
  assert.equal(await next, 8);
});
