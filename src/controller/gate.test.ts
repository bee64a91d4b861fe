import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Gate } from './gate.ts';

const stays = new AbortController().signal;

/** A gate with somebody inside, and others who note when they are let in. */
async function occupied() {
  const gate = new Gate();
  const inside = Promise.withResolvers<void>();
  const begun: string[] = [];
  void gate.pass(stays, () => inside.promise);
  const come = (name: string, gone = stays, who?: string) => {
    const work = async () => {
      begun.push(name);
      await turn();
      begun.push(`${name} is done`);
    };
    return gate.pass(gone, work, who);
  };
  return { begun, come, leave: () => inside.resolve() };
}

it('lets in one after the other, in the order in which they came, whatever becomes of each', async () => {
  const gate = new Gate();
  const log: string[] = [];
  const work = (name: string, end: () => void) => async () => {
    log.push(`${name} begins`);
    await turn();
    log.push(`${name} ends`);
    end();
  };
  const fails = () => {
    throw new Error('of its own');
  };
  const all = [
    gate.pass(stays, work('a', fails)),
    gate.pass(
      stays,
      work('b', () => {}),
    ),
    gate.pass(stays, work('c', fails)),
    gate.pass(
      stays,
      work('d', () => {}),
    ),
  ];
  const ended = await Promise.allSettled(all);
  assert.deepEqual(
    log,
    ['a', 'b', 'c', 'd'].flatMap((name) => [`${name} begins`, `${name} ends`]),
  );
  assert.deepEqual(
    ended.map(({ status }) => status),
    ['rejected', 'fulfilled', 'rejected', 'fulfilled'],
  );
  await gate.pass(
    stays,
    work('e', () => {}),
  );
});

it('A27: has room for eight who wait, and tells the ninth so', async () => {
  const { begun, come, leave } = await occupied();
  const waiting = Array.from({ length: 8 }, (_, i) => come(`w${i}`));
  const ninth = assert.rejects(come('ninth'), { code: 'BUSY', details: { waiting: 8 } });
  leave();
  await Promise.all([ninth, ...waiting]);
  assert.equal(begun.length, 16);
  assert.ok(!begun.includes('ninth'));
  await come('later');
});

it('A27: has one place for each principal, again when it was let in or has gone', async () => {
  const { begun, come, leave } = await occupied();
  const client = new AbortController();
  const left = come('left', client.signal, 'user:a');
  const second = assert.rejects(come('second', stays, 'user:a'), { code: 'BUSY', details: { who: 'user:a' } });
  const other = come('other', stays, 'user:b');
  client.abort();
  await assert.rejects(left, client.signal.reason);
  const again = come('again', stays, 'user:a');
  leave();
  await Promise.all([second, other, again]);
  assert.deepEqual(begun, ['other', 'other is done', 'again', 'again is done']);
  await come('later', stays, 'user:a');
});

it('does not begin what nobody waits for any more, and gives its place to others', async () => {
  const { begun, come, leave } = await occupied();
  const client = new AbortController();
  const waiting = Array.from({ length: 7 }, (_, i) => come(`w${i}`));
  const left = come('gone', client.signal);
  client.abort();
  const other = come('other');
  await assert.rejects(left, client.signal.reason);
  await assert.rejects(come('gone before', AbortSignal.abort()), { name: 'AbortError' });
  leave();
  await Promise.all([...waiting, other]);
  assert.deepEqual(
    begun.filter((name) => /gone/.test(name)),
    [],
  );
  assert.equal(begun.at(-1), 'other is done');
  await assert.rejects(come('gone before', AbortSignal.abort()), { name: 'AbortError' }, 'also where nobody waits');
  await come('later');
});

it('goes on with the next one if one leaves at the moment at which its turn comes', async () => {
  const gate = new Gate();
  const client = new AbortController();
  const inside = Promise.withResolvers<void>();
  const first = gate.pass(stays, () => inside.promise);
  const left = gate.pass(client.signal, async () => 'begun');
  const next = gate.pass(stays, async () => 'begun');
  inside.resolve();
  queueMicrotask(() => client.abort());
  const ended = await Promise.allSettled([first, left, next]);
  assert.deepEqual(ended[2], { status: 'fulfilled', value: 'begun' });
});
