import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeddleError, hasCode, toProblem } from '../model/errors.ts';
import { watchFrom } from './watch.ts';

const event = (revision: number, id: string, type = 'put') =>
  JSON.stringify({ revision: String(revision), type, object: { id } });
const end = (e: HeddleError) => JSON.stringify({ type: 'error', problem: toProblem(e) });
const ended = end(new HeddleError('UNAUTHENTICATED', {}));

/** What comes of lines that are given one connection after the other; and from where each was asked. */
async function watched(connections: readonly (readonly string[])[], from = 5n) {
  const asked: bigint[] = [];
  const events: string[] = [];
  const open = async function* (at: bigint) {
    const lines = connections[asked.length];
    asked.push(at);
    if (!lines) throw new HeddleError('TOKEN_INVALID', { problem: 'it ended' });
    yield* lines;
  };
  let why: unknown;
  try {
    for await (const { revision, object } of watchFrom(open, from)) events.push(`${revision} ${object.id}`);
  } catch (e) {
    why = e;
  }
  return { asked, events, why };
}

test('a watch that ends with its token goes on where it was, and says nothing twice', async () => {
  const { asked, events, why } = await watched([
    [event(7, 'a'), event(9, 'b'), event(9, 'c'), ended],
    [ended],
    [event(9, 'b'), event(9, 'c'), event(9, 'd'), event(9, 'c', 'delete'), event(10, 'b')],
  ]);
  assert.deepEqual(asked, [5n, 9n, 9n]);
  assert.deepEqual(events, ['7 a', '9 b', '9 c', '9 d', '9 c', '10 b']);
  assert.equal(why, undefined);
});

test('it does not where nobody lets it, or for any other reason', async () => {
  const refused = await watched([[event(7, 'a'), ended]]);
  assert.deepEqual(refused.asked, [5n, 7n]);
  assert.ok(hasCode(refused.why, 'TOKEN_INVALID'));
  const compacted = await watched([[end(new HeddleError('COMPACTED', { revision: '5', oldest: '9' }))], []]);
  assert.deepEqual(compacted.asked, [5n]);
  assert.ok(hasCode(compacted.why, 'COMPACTED'));
});
