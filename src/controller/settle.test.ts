import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HeddleError } from '../model/errors.ts';
import { settle, type Task } from './settle.ts';

const stays = new AbortController().signal;

/** Tasks that each want something that others have to do before; what has run, in its order. */
function tasksOf(needs: Readonly<Record<string, string>>) {
  const done: string[] = [];
  let runs = 0;
  const tasks = Object.entries(needs).map(([name, need]): Task & { name: string } => ({
    name,
    run() {
      runs++;
      if (need !== '' && !done.includes(need)) throw new HeddleError('NOT_FOUND', { kind: 'network', name: need });
      done.push(name);
    },
  }));
  return { tasks, done, runs: () => runs };
}
/** Each of n waits for the one behind it. */
const chain = (n: number) =>
  tasksOf(Object.fromEntries(Array.from({ length: n }, (_, i) => [`t${i}`, i < n - 1 ? `t${i + 1}` : ''])));

it('runs what was refused again after the others, in their order', async () => {
  const { tasks, done } = tasksOf({ a: 'c', b: 'a', c: '', d: 'b' });
  assert.deepEqual(await settle(tasks, stays), []);
  assert.deepEqual(done, ['c', 'a', 'b', 'd']);
});

it('ends when nothing comes of it any more, and says what is refused and why', async () => {
  const { tasks, done } = tasksOf({ a: 'b', b: 'a', c: '', d: 'x' });
  const refusals = await settle(tasks, stays);
  assert.deepEqual(done, ['c']);
  assert.deepEqual(
    refusals.map(({ task, error }) => `${task.name}: ${error.message}`),
    ['a: there is no network b', 'b: there is no network a', 'd: there is no network x'],
  );
});

it('lets go what each holds of the other, only where nothing else helps', async () => {
  let gone = 0;
  const { tasks, done } = tasksOf({ a: 'b', b: 'a', c: '' });
  const letGo = () => gone++ === 0 && done.push('a') > 0;
  assert.deepEqual(
    await settle(
      tasks.map((task) => ({ ...task, letGo })),
      stays,
    ),
    [],
  );
  assert.deepEqual([done, gone], [['c', 'a', 'b', 'a'], 2]);
});

it('A27: gives up a chain that is too long with one refusal, after so many tries', async () => {
  const { tasks, runs } = chain(100);
  const [refusal, ...more] = await settle(tasks, stays, { left: 500 });
  assert.deepEqual(more, []);
  assert.equal(refusal?.task.name, 't0');
  assert.equal(refusal.error.code, 'CHAIN_LIMIT');
  assert.match(refusal.error.message, /94 in all.*there is no network t1\. Change some/);
  assert.ok(runs() <= 600, `${runs()}`);
  assert.deepEqual(await settle(chain(200).tasks, stays), [], 'by itself it has the patience for 200');
});

it('has one patience for all that belongs to one decision', async () => {
  const tries = { left: 500 };
  assert.deepEqual(await settle(chain(30).tasks, stays, tries), []);
  assert.equal(tries.left, 65);
  const [refusal] = await settle(chain(30).tasks, stays, tries);
  assert.equal(refusal?.error.code, 'CHAIN_LIMIT');
});

it('is ended by what is no refusal', async () => {
  const broken = new HeddleError('STORE_BROKEN', { problem: 'x' });
  for (const error of [broken, new TypeError('x')]) {
    const run = () => {
      throw error;
    };
    await assert.rejects(settle([{ run }], stays), error);
  }
});

it('ends in the middle when nobody waits for it any more', async () => {
  const client = new AbortController();
  let runs = 0;
  const run = () => {
    if (++runs === 60) client.abort();
  };
  await assert.rejects(settle(Array(1000).fill({ run }), client.signal), client.signal.reason);
  assert.equal(runs, 99, 'it looks when others have their turn');
});
