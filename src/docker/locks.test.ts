import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Locks } from './locks.ts';

/** A lock, and what has begun and ended under it. */
function stage() {
  const locks = new Locks();
  const told: string[] = [];
  const work = (name: string) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const run = async () => {
      told.push(`+${name}`);
      await promise;
      told.push(`-${name}`);
    };
    return { run, end: resolve };
  };
  return { locks, told, work };
}
const turn = () => new Promise(setImmediate);

test('those that share a name work at once, one that is alone waits for them, and later ones for it', async () => {
  const { locks, told, work } = stage();
  const [a, b, c, d] = ['a', 'b', 'c', 'd'].map(work);
  const all = [
    locks.shared('x', a!.run),
    locks.shared('x', b!.run),
    locks.alone('x', c!.run),
    locks.shared('x', d!.run),
  ];
  await turn();
  assert.deepEqual(told, ['+a', '+b']);
  a!.end();
  await turn();
  assert.deepEqual(told.slice(2), ['-a']);
  b!.end();
  await turn();
  assert.deepEqual(told.slice(3), ['-b', '+c']);
  c!.end();
  await turn();
  assert.deepEqual(told.slice(5), ['-c', '+d']);
  assert.ok(locks.busy('x'));
  d!.end();
  await Promise.all(all);
  assert.ok(!locks.busy('x'));
});

test('other names do not wait, and one that fails lets the next work', async () => {
  const { locks, told, work } = stage();
  const a = work('a');
  const first = locks.alone('x', a.run);
  await locks.alone('y', async () => void told.push('y'));
  assert.deepEqual(told, ['+a', 'y']);
  const failing = locks.alone('x', () => Promise.reject(new Error('no')));
  const next = locks.alone('x', async () => 'next');
  a.end();
  await first;
  await assert.rejects(failing, /no/);
  assert.equal(await next, 'next');
});
