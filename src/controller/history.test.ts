import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Difference, HistoryEntry, ObjectHistory } from '../model/history.ts';
import type { Store } from '../store/contract.ts';
import { openSqlite } from '../store/sqlite.ts';
import { openFurnishedApi, openTestApi } from './test-api.ts';
import { user } from './test-principals.ts';

const t = '/v1/tenants/acme';
const brief = ({ revision, action, fields }: HistoryEntry) => ({
  revision,
  action,
  fields: fields.map(({ field, before, after }) => `${field}: ${before} -> ${after}`),
});

/** A clock that a test sets, milliseconds. */
async function openTimed() {
  const clock = { ms: Date.parse('2026-01-01T00:00:00Z') };
  const store = await openSqlite(':memory:', () => clock.ms);
  return { clock, store };
}

it('tells when an object was written and what changed, field by field, the newest first', async () => {
  const { clock, store } = await openTimed();
  await using _ = store;
  await using api = await openTestApi({ store });
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  clock.ms += 60_000;
  const web = await api.ok('POST', `${t}/networks`, { name: 'web', labels: { tier: 'web', env: 'test' } });
  clock.ms += 60_000;
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1400, labels: { tier: 'db', env: null } });
  clock.ms += 60_000;
  await api.ok('PATCH', `${t}/networks/web`, { name: 'net' });
  const { items, oldest, next }: ObjectHistory = await api.ok('GET', `${t}/networks/net/history`);
  assert.deepEqual([oldest, next], ['0', undefined]);
  assert.deepEqual(
    items.map(({ at, id }) => [at, id]),
    ['03', '02', '01'].map((minute) => [`2026-01-01T00:${minute}:00.000Z`, web.id]),
  );
  assert.deepEqual(items.slice(0, 2).map(brief), [
    { revision: '4', action: 'update', fields: ['name: web -> net'] },
    {
      revision: '3',
      action: 'update',
      fields: ['labels.tier: web -> db', 'labels.env: test -> undefined', 'mtuBytes: undefined -> 1400'],
    },
  ]);
  assert.equal(items[2]?.action, 'create');
  assert.equal(items[0]?.object.name, 'net');
  // Under its old name too.
  assert.deepEqual((await api.ok('GET', `${t}/networks/web/history`)).items, items);
});

it('tells objects apart that had the same name one after the other, also those of a tenant that is gone', async () => {
  await using api = await openFurnishedApi();
  const first = await api.ok('POST', `${t}/networks`, { name: 'db' });
  await api.ok('DELETE', `${t}/networks/db`);
  const second = await api.ok('POST', `${t}/networks`, { name: 'db' });
  const { items }: ObjectHistory = await api.ok('GET', `${t}/networks/db/history`);
  assert.deepEqual(
    items.map(({ action, id, object }) => [action, id, object.id]),
    [
      ['create', second.id, second.id],
      ['delete', first.id, first.id],
      ['create', first.id, first.id],
    ],
  );
  const one: ObjectHistory = await api.ok('GET', `${t}/networks/${first.id}/history`);
  assert.deepEqual(one.items, items.slice(1));
  await api.ok('POST', '/v1/tenants', { name: 'gone' });
  await api.ok('POST', '/v1/tenants/gone/networks', { name: 'n' });
  await api.ok('DELETE', '/v1/tenants/gone/networks/n');
  await api.ok('DELETE', '/v1/tenants/gone');
  assert.equal((await api.ok('GET', '/v1/tenants/gone/networks/n/history')).items.length, 2);
  assert.equal((await api.ok('GET', '/v1/tenants/gone/history')).items.length, 2);
  await api.refused('NOT_FOUND', 'GET', '/v1/tenants/never/networks/n/history');
  await api.refused('NOT_FOUND', 'GET', `${t}/networks/never/history`);
  await api.refused('INVALID', 'GET', `${t}/networks/db/history?limit=0`);
  await api.refused('INVALID', 'GET', `${t}/networks/db/history?since=1`);
});

it('gives a long history in pages, each entry once', async () => {
  await using api = await openFurnishedApi();
  for (let round = 0; round < 3; round++) {
    await api.ok('POST', `${t}/networks`, { name: 'db' });
    for (const mtuBytes of [1300, 1400, 1500]) await api.ok('PATCH', `${t}/networks/db`, { mtuBytes });
    await api.ok('DELETE', `${t}/networks/db`);
  }
  const whole: ObjectHistory = await api.ok('GET', `${t}/networks/db/history`);
  assert.equal(whole.items.length, 15);
  for (const limit of [1, 2, 4, 7]) {
    const pages: HistoryEntry[] = [];
    let query = `limit=${limit}`;
    for (let page: ObjectHistory | undefined; !page || page.next; ) {
      page = await api.ok('GET', `${t}/networks/db/history?${query}`);
      pages.push(...page!.items);
      query = `limit=${limit}&before=${page!.next}`;
    }
    assert.deepEqual(pages, whole.items, `pages of ${limit}`);
  }
});

it('says what is forgotten, and what an object was at the oldest revision that is left', async () => {
  const { clock, store } = await openTimed();
  await using _ = store;
  await using api = await openFurnishedApi({ store });
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1300 });
  clock.ms += 1000;
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1400 });
  const oldest = api.world.revision;
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1500 });
  await store.compact(oldest);
  const history: ObjectHistory = await api.ok('GET', `${t}/networks/web/history`);
  assert.equal(history.oldest, String(oldest));
  assert.equal(history.oldestAt, '2026-01-01T00:00:01.000Z');
  assert.deepEqual(history.items.map(brief), [
    { revision: String(oldest + 1n), action: 'update', fields: ['mtuBytes: 1400 -> 1500'] },
    { revision: String(oldest), action: 'kept', fields: [] },
  ]);
  assert.equal(history.items[1]?.object.mtuBytes, 1400);
  for (const since of [String(oldest - 1n), '2025-12-31T00:00:00Z']) {
    const details = await api.refused('COMPACTED', 'GET', `/v1/diff?since=${since}`);
    assert.deepEqual([details.oldest, details.oldestAt], [String(oldest), '2026-01-01T00:00:01.000Z']);
  }
});

it('says what is different since a revision or a time, of all or of one tenant', async () => {
  const { clock, store } = await openTimed();
  await using _ = store;
  await using api = await openFurnishedApi({ store });
  await api.ok('POST', `${t}/networks`, { name: 'gone' });
  await api.ok('POST', `${t}/networks`, { name: 'back' });
  const since = api.world.revision;
  clock.ms += 60_000;
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1400 });
  await api.ok('PATCH', `${t}/networks/back`, { mtuBytes: 1400 });
  await api.ok('PATCH', `${t}/networks/back`, { mtuBytes: null });
  await api.ok('DELETE', `${t}/networks/gone`);
  await api.ok('POST', `${t}/networks`, { name: 'short' });
  await api.ok('DELETE', `${t}/networks/short`);
  await api.ok('POST', '/v1/tenants', { name: 'other' });
  await api.ok('POST', '/v1/tenants/other/networks', { name: 'n' });
  const all: Difference = await api.ok('GET', `/v1/diff?since=${since}`);
  const said = ({ changes }: Difference) => changes.map((c) => `${c.action} ${c.kind} ${c.name} of ${c.tenant}`);
  assert.deepEqual(said(all).sort(), [
    ...['create network n of other', 'create tenant other of undefined'],
    ...['delete network gone of acme', 'update network web of acme'],
  ]);
  assert.deepEqual(all.changes.find((c) => c.name === 'web')?.fields, [{ field: 'mtuBytes', after: 1400 }]);
  assert.deepEqual(all.since, { revision: String(since), at: '2026-01-01T00:00:00.000Z' });
  const tenant: Difference = await api.ok('GET', `/v1/diff?since=2026-01-01T00:00:59Z&tenant=acme`);
  assert.deepEqual(said(tenant).sort(), ['delete network gone of acme', 'update network web of acme']);
  const before = api.world.revision;
  await api.ok('DELETE', '/v1/tenants/other/networks/n');
  await api.ok('DELETE', '/v1/tenants/other');
  const gone: Difference = await api.ok('GET', `/v1/diff?since=${before}`);
  assert.deepEqual(said(gone).sort(), ['delete network n of other', 'delete tenant other of undefined']);
  const part: Difference = await api.ok('GET', `/v1/diff?since=${since}&limit=1`);
  assert.deepEqual([part.total, part.changes.length], [2, 1]);
  assert.deepEqual((await api.ok('GET', `/v1/diff?since=${api.world.revision}`)).changes, []);
  await api.refused('REVISION_UNKNOWN', 'GET', `/v1/diff?since=${api.world.revision + 1n}`);
  await api.refused('INVALID', 'GET', '/v1/diff');
  await api.refused('INVALID', 'GET', '/v1/diff?since=soon');
  await api.refused('NOT_FOUND', 'GET', `/v1/diff?since=${since}&tenant=nobody`);
});

/** A viewer who asks what is different: one request is at work until it is let go on, one waits, and one was told to come again. */
async function openHeldDiff() {
  const store = await openSqlite(':memory:');
  const [arrived, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const open = { isHeld: false, begun: 0 };
  const watch: Store['watch'] = async function* (...of) {
    if (open.isHeld) {
      open.begun++;
      arrived.resolve();
      await goOn.promise;
    }
    yield* store.watch(...of);
  };
  const held = new Proxy(store, {
    get(target, name) {
      if (name === 'watch') return watch;
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const api = await openFurnishedApi({ store: held });
  await api.ok('POST', `${t}/grants`, { name: 'vic', subject: 'user:vic', role: 'viewer' });
  open.isHeld = true;
  const vic = api.as(user('vic'));
  const first = vic.request('GET', '/v1/diff?since=1');
  await arrived.promise;
  const others = [vic.request('GET', '/v1/diff?since=1'), vic.request('GET', '/v1/diff?since=1')];
  const busy = await Promise.race(others);
  assert.deepEqual([busy.body.code, busy.body.details], ['BUSY', { who: 'user:vic' }]);
  assert.equal(open.begun, 1);
  const statuses = async () => {
    goOn.resolve();
    return (await Promise.all([first, ...others])).map(({ status }) => status).sort();
  };
  const dispose = () => api[Symbol.asyncDispose]().then(() => store[Symbol.asyncDispose]());
  return { api, statuses, [Symbol.asyncDispose]: dispose };
}

it('A27: says what is different to one at a time; of a principal one more waits', async () => {
  await using open = await openHeldDiff();
  assert.deepEqual(await open.statuses(), [200, 200, 503]);
});

it('A24: says it to nobody whose rights ended while it waited', async () => {
  await using open = await openHeldDiff();
  await open.api.ok('DELETE', `${t}/grants/vic`);
  assert.deepEqual(await open.statuses(), [200, 403, 503]);
});
