/** What is recorded while something is done, for tests. */
import assert from 'node:assert/strict';
import type { AuditRecord, Who } from '../model/audit.ts';
import type { Principal } from './principal.ts';
import type { Answer, TestApi } from './test-api.ts';

/** Everything that is recorded while the work is done, the oldest first. */
export async function during(api: TestApi, work: () => Promise<unknown>): Promise<AuditRecord[]> {
  const { last } = await api.store.audit.extent();
  await work();
  const { items, next } = await api.ok('GET', `/v1/audit?after=${last}&limit=1000`);
  assert.equal(next, undefined);
  return items;
}

/** Who a record says it was. */
export const whoIs = (principal: Principal | undefined): Who =>
  principal ? { kind: principal.kind, name: principal.name } : { kind: 'nobody' };

/** A refusal that has one record: that with its code, of whoever asked. */
export async function refusedWith(api: TestApi, who: Who, ask: () => Promise<Answer>): Promise<Answer> {
  let answer: Answer | undefined;
  const records = await during(api, async () => {
    answer = await ask();
  });
  assert.ok(answer!.status >= 400, `${answer!.status}`);
  assert.deepEqual(
    records.map((record) => [record.action, record.code, record.who]),
    [['refused', answer!.body.code, who]],
  );
  return answer!;
}
