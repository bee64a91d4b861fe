import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HeddleError, hasCode, toProblem } from '../model/errors.ts';
import { auditClient } from './audit.ts';
import type { Connection } from './connection.ts';

/** A controller that answers each follow with lines, and pages with the records of ids; tells what it was asked. */
function controller(follows: readonly (readonly object[])[], ids: readonly string[] = ['7']) {
  const asked: unknown[] = [];
  const left = [...follows];
  const connection: Connection = {
    address: 'http://x',
    async request(_method, _path, { query = {} } = {}) {
      asked.push(query);
      const after = Number(query.after ?? -1);
      const items = ids.filter((id) => Number(id) > after).map((id) => ({ id }));
      return { items: items.slice(0, 2), ...(items.length > 2 && { next: items[1]!.id }) };
    },
    async *lines(_path, { query }) {
      asked.push(query);
      for (const line of left.shift() ?? []) yield JSON.stringify(line);
    },
  };
  return { client: auditClient(connection), asked };
}
const record = (id: string) => ({ id, action: 'create' });
const ended = (e: HeddleError) => ({ problem: toProblem(e) });
const idsOf = async (lines: AsyncIterable<{ id?: string }>) => (await Array.fromAsync(lines)).map(({ id }) => id);

it('follows on behind the last record when a login’s token has ended, and misses none from its beginning on', async () => {
  const over = ended(new HeddleError('UNAUTHENTICATED', {}));
  const { client, asked } = controller([[over], [record('8'), record('9'), over], [record('10')]]);
  assert.deepEqual(await idsOf(client.followAudit({ kind: 'port' }) as AsyncIterable<{ id?: string }>), [
    '8',
    '9',
    '10',
  ]);
  const follow = { kind: 'port', follow: true };
  assert.deepEqual(asked, [
    { limit: 1 },
    { ...follow, after: '7' },
    { ...follow, after: '7' },
    { ...follow, after: '9' },
  ]);
});

it('says why it may not follow any more', async () => {
  const refusal = new HeddleError('FORBIDDEN', { who: 'user:ann', verb: 'read', what: 'the audit log' });
  const { client } = controller([[record('8'), ended(refusal)]]);
  const seen: unknown[] = [];
  const followed = async () => {
    for await (const line of client.followAudit({ since: '1h' })) seen.push(line);
  };
  await assert.rejects(followed(), (e) => hasCode(e, 'FORBIDDEN'));
  assert.equal(seen.length, 1);
});

it('reads all records, page by page, the oldest first', async () => {
  const { client } = controller([], ['1', '2', '3', '4', '5']);
  assert.deepEqual(await idsOf(client.auditRecords()), ['1', '2', '3', '4', '5']);
});
