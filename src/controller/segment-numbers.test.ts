import assert from 'node:assert/strict';
import { it } from 'node:test';
import { PLACE_FIRST } from '../model/ids.ts';
import { openSqlite } from '../store/sqlite.ts';
import { claims, objectKey } from './keys.ts';
import { openFurnishedApi, openTestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';

const t = '/v1/tenants/acme';

it('a controller gives the segments of an earlier version their numbers when it starts', async () => {
  await using store = await openSqlite(':memory:');
  await using before = await openFurnishedApi({ store });
  const made = { network: 'web', host: 'h1', segment: {} };
  const [old, other] = [
    await before.ok('POST', `${t}/ports`, { ...made, name: 'old' }),
    await before.ok('POST', `${t}/ports`, { ...made, name: 'other' }),
  ];
  const { place, ...record } = before.world.port.get(old.id)!.record;
  const value = JSON.stringify(record);
  await store.txn({ ops: [{ put: { key: objectKey('port', record), value } }, { delete: claims.place(place!) }] });
  await using api = await openTestApi({ store });
  const numbers = [old, other].map(({ id }) => api.world.port.get(id)!.record.place);
  assert.deepEqual(numbers, [PLACE_FIRST, PLACE_FIRST + 1]);
  await assertNoLeak(store);
});
