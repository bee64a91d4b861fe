import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { growthKey, vniCursorKey } from './keys.ts';
import { Turns, turnsOf } from './turns.ts';

it('takes the turns of what is written: quotas, then that of numbers, then leases, each in one order', () => {
  const keys = [
    vniCursorKey,
    '/network/t1/n1',
    growthKey('t2', 'ports'),
    growthKey('t1', 'networks'),
    growthKey('t2', 'x'),
    '/lease/t1/l2',
    '/lease/t2/l1',
    '/lease/t1/l2',
  ];
  assert.deepEqual(turnsOf(keys), ['quota/t1', 'quota/t2', 'vni', 'l1', 'l2']);
  assert.deepEqual(turnsOf(keys.toReversed()), ['quota/t1', 'quota/t2', 'vni', 'l1', 'l2']);
  assert.deepEqual(turnsOf(['/port/t1/p1', growthKey('t1', 'ports')]), ['quota/t1']);
  assert.deepEqual(turnsOf(['/port/t1/p1']), []);
});

it('never does two works with a key in common at once, does all of them, and forgets them', async () => {
  const tenants = ['t1', 't2', 't3'];
  const work = fc.record({
    keys: fc.uniqueArray(
      fc.constantFrom(vniCursorKey, '/lease/t1/l1', '/lease/t1/l2', ...tenants.map((t) => growthKey(t, 'ports'))),
    ),
    fails: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(work, { maxLength: 30 }), async (works) => {
      const turns = new Turns();
      const running = new Set<string>();
      let done = 0;
      const all = works.map(({ keys, fails }) =>
        turns.take(turnsOf(keys), async () => {
          for (const key of keys) {
            assert.ok(!running.has(key), key);
            running.add(key);
          }
          await turn();
          for (const key of keys) running.delete(key);
          done++;
          if (fails) throw new Error('of its own');
        }),
      );
      const ended = await Promise.allSettled(all);
      assert.equal(done, works.length);
      assert.deepEqual(
        ended.map(({ status }) => status === 'rejected'),
        works.map(({ fails }) => fails),
      );
    }),
    { numRuns: 50 },
  );
});

it('holds up nobody who has nothing in common', async () => {
  const turns = new Turns();
  const held = Promise.withResolvers<void>();
  const first = turns.take(['quota/t1'], () => held.promise);
  const second = turns.take(['quota/t1', 'vni'], async () => 'second');
  assert.equal(await turns.take(['vni'], async () => 'third'), 'third', 'who waits for a quota holds no number');
  assert.equal(await turns.take(['quota/t2'], async () => 'fourth'), 'fourth');
  held.resolve();
  await first;
  assert.equal(await second, 'second');
});
