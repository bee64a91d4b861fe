/** Writes of a sequence that others come between, or that end in the middle. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { Store } from '../store/contract.ts';
import { openSqlite } from '../store/sqlite.ts';
import { openTestApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';

/** A controller in whose store something happens once, right before the first transaction that writes such a key. */
async function openInterrupted(prefix: string, happens: (api: TestApi) => Promise<unknown>) {
  const store = await openSqlite(':memory:');
  let isDue = true;
  const txn: Store['txn'] = async (t) => {
    if (isDue && t.ops.some((op) => 'put' in op && op.put.key.startsWith(prefix))) {
      isDue = false;
      await happens(api);
    }
    return store.txn(t);
  };
  const interrupted = new Proxy(store, {
    get(target, name) {
      if (name === 'txn') return txn;
      const value = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const api = await openTestApi({ store: interrupted });
  return { api, [Symbol.asyncDispose]: () => api[Symbol.asyncDispose]().then(() => store[Symbol.asyncDispose]()) };
}

const net = [
  { kind: 'tenant', name: 'acme' },
  { kind: 'network', tenant: 'acme', name: 'web' },
  { kind: 'subnet', tenant: 'acme', name: 'v4', network: 'web', cidr: '10.0.0.0/24' },
];
const port = (name: string, addresses?: string[]) => ({
  ...{ kind: 'port', tenant: 'acme', name, network: 'web' },
  ...(addresses && { addresses }),
});
const takeSecond = (api: TestApi) =>
  api.ok('POST', '/v1/tenants/acme/ports', { name: 'other', network: 'web', addresses: ['10.0.0.2'] });

it('is decided anew when somebody else takes what it was about to take, and tells all of it as done', async () => {
  await using open = await openInterrupted('/port/', takeSecond);
  const { api } = open;
  const { changes, revision } = await api.ok('POST', '/v1/apply', { documents: [...net, port('p1')] });
  assert.deepEqual(
    changes.map(({ action, name }: { action: string; name: string }) => `${action} ${name}`),
    [...['create acme', 'create web', 'create v4', 'create p1']],
  );
  assert.deepEqual(changes.at(-1).fields.find(({ field }: { field: string }) => field === 'addresses').after, [
    '10.0.0.3',
  ]);
  assert.equal(revision, String(api.world.revision));
  assert.deepEqual((await api.ok('GET', '/v1/tenants/acme/ports/p1')).addresses, ['10.0.0.3']);
  await assertNoLeak(api.store);
});

it('says how much was written, if what others wrote meanwhile leaves no way on', async () => {
  await using open = await openInterrupted('/port/', takeSecond);
  const { api } = open;
  const documents = [...net, port('p1', ['10.0.0.2'])];
  const { status, body } = await api.request('POST', '/v1/apply', { documents });
  assert.deepEqual([status, body.code, body.details.written], [409, 'DOCUMENTS_REFUSED', 3]);
  assert.match(body.detail, /others wrote meanwhile; 3 changes were written before/);
  assert.match(body.details.problems[0].problem, /10\.0\.0\.2 is taken by port other/);
  await api.ok('DELETE', '/v1/tenants/acme/ports/other');
  await api.ok('POST', '/v1/apply', { documents });
  assert.deepEqual((await api.ok('GET', '/v1/tenants/acme/ports/p1')).addresses, ['10.0.0.2']);
  await assertNoLeak(api.store);
});

it('leaves a legal state where it ends in the middle, and the same set makes the rest', async () => {
  for (const prefix of ['/network/', '/subnet/', '/port/', '/router/']) {
    await using open = await openInterrupted(prefix, () => Promise.reject(new Error('the disk is gone')));
    const { api } = open;
    const router = { kind: 'router', tenant: 'acme', name: 'r1', subnets: ['v4'] };
    const documents = [...net, port('p1'), router];
    assert.equal((await api.request('POST', '/v1/apply', { documents })).status, 500);
    await assertNoLeak(api.store);
    await api.ok('POST', '/v1/apply', { documents });
    await assertNoLeak(api.store);
    const { changes } = await api.ok('POST', '/v1/apply', { documents });
    assert.deepEqual(new Set(changes.map(({ action }: { action: string }) => action)), new Set(['unchanged']));
  }
});
