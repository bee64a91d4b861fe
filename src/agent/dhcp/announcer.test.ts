import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Announcer } from './announcer.ts';

/** An announcer on a clock of its own, with all jitter in the middle. */
function announcer(t: TestContext, { crowd = 1, stepMs = 500 } = {}) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const spoken: number[] = [];
  const made = new Announcer(
    () => Array.from({ length: crowd }),
    () => spoken.push(now),
    () => 0.5,
  );
  const pass = (ms: number): void => {
    for (let i = 0; i < ms / stepMs; i++) {
      now += stepMs;
      t.mock.timers.tick(stepMs);
    }
  };
  return { made, spoken, pass };
}

test('it speaks every few minutes, until it is disposed', (t) => {
  const { made, spoken, pass } = announcer(t);
  pass(1_060_000);
  assert.deepEqual(spoken, [525_000, 1_050_000]);
  made[Symbol.dispose]();
  pass(1_000_000);
  assert.equal(spoken.length, 2);
});

test('a change is told soon, several at once, and never twice within three seconds', (t) => {
  const { made, spoken, pass } = announcer(t);
  pass(10_000);
  made.soon();
  made.soon();
  pass(1_000);
  assert.deepEqual(spoken, [10_500]);
  made.soon();
  pass(10_000);
  assert.deepEqual(spoken, [10_500, 14_000]);
  pass(525_000);
  assert.deepEqual(spoken, [10_500, 14_000, 539_000]);
  made[Symbol.dispose]();
});

test('a crowd is told a few at a time, all of it before it is told anew', (t) => {
  const { made, spoken, pass } = announcer(t, { crowd: 1_000, stepMs: 100 });
  made.soon();
  pass(1_000);
  made.soon();
  made.soon();
  const atOnce = Map.groupBy(spoken, (at) => at);
  assert.ok([...atOnce.values()].every((told) => told.length <= 64));
  assert.ok(spoken.length > 0 && spoken.length < 1_000);
  pass(1_500);
  assert.equal(spoken.length, 1_000);
  pass(6_000);
  assert.equal(spoken.length, 2_000);
  made[Symbol.dispose]();
});

test('a crowd is told no more when it is disposed', (t) => {
  const { made, spoken, pass } = announcer(t, { crowd: 1_000, stepMs: 100 });
  made.soon();
  pass(500);
  const told = spoken.length;
  made[Symbol.dispose]();
  pass(10_000);
  assert.deepEqual([told > 0, spoken.length], [true, told]);
});
