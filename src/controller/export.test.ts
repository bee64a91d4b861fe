/** What an export gives makes the same again. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { Document } from '../model/document.ts';
import { anyEdit } from './any-edit-suite.ts';
import { openFurnishedApi, openTestApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';
import { applyEdit } from './test-edits.ts';
import { openWithHosts } from './test-hosts.ts';

const exported = async (api: TestApi, query = ''): Promise<Document[]> =>
  (await api.ok('GET', `/v1/export${query}`)).documents;
const apply = (api: TestApi, documents: readonly Document[]) => api.ok('POST', '/v1/apply', { documents });

it('an export makes the same again in an empty controller, byte by byte, after any edits', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyEdit, { maxLength: 30 }), async (edits) => {
      const { api, fakes } = await openWithHosts();
      await using _ = api;
      for (const edit of edits) await applyEdit(api, fakes, edit);
      const documents = await exported(api, '?bindings=true');
      await using fresh = await openTestApi();
      await apply(fresh, documents.toReversed());
      assert.equal(JSON.stringify(await exported(fresh, '?bindings=true')), JSON.stringify(documents));
      const { revision } = fresh.world;
      await apply(fresh, documents);
      assert.equal(fresh.world.revision, revision, 'a second run writes nothing');
      await assertNoLeak(fresh.store);
      // And back where it comes from it changes no object.
      const { changes } = await apply(api, documents);
      assert.deepEqual(
        new Set(changes.map((c: { action: string }) => c.action)).difference(new Set(['adopt'])),
        new Set(),
      );
    }),
    { numRuns: 60 },
  );
});

it('has names for ids, nothing that is so by itself, and where ports are only if that was said', async () => {
  await using api = await openFurnishedApi();
  const port = { name: 'p1', network: 'web', host: 'h1', labels: { b: '1', a: '2' } };
  await api.ok('POST', '/v1/tenants/acme/ports', port);
  await api.ok('POST', '/v1/tenants/acme/ports', { name: 'gone-with-it', network: 'web', ephemeral: true });
  await api.ok('POST', '/v1/tenants/acme/leases', { network: 'web', host: 'h1', size: 2 });
  const { mac } = await api.ok('GET', '/v1/tenants/acme/ports/p1');
  const p1 = {
    ...{ kind: 'port', tenant: 'acme', name: 'p1', network: 'web', mac },
    addresses: ['10.0.0.2', 'fd00::2'],
    labels: { a: '2', b: '1' },
  };
  assert.deepEqual(await exported(api, '?tenant=acme'), [
    { kind: 'tenant', name: 'acme' },
    { kind: 'network', tenant: 'acme', name: 'web', vni: 1 },
    {
      ...{ kind: 'subnet', tenant: 'acme', name: 'v4', network: 'web', cidr: '10.0.0.0/24', gateway: '10.0.0.1' },
      pools: [{ first: '10.0.0.1', last: '10.0.0.254' }],
    },
    {
      ...{ kind: 'subnet', tenant: 'acme', name: 'v6', network: 'web', cidr: 'fd00::/64', gateway: 'fd00::1' },
      pools: [{ first: 'fd00::1', last: 'fd00::ffff:ffff:ffff:ffff' }],
    },
    p1,
  ]);
  const hosts = (await exported(api)).filter(({ kind }) => kind === 'host');
  assert.deepEqual(hosts[0], { kind: 'host', name: 'h1', vtep: '198.18.0.1', mtuBytes: 1500 });
  const bound = (documents: Document[]) => documents.find(({ name }) => name === 'p1')?.host;
  assert.equal(bound(await exported(api, '?bindings=true')), 'h1');
  await apply(api, [{ ...(p1 as Document), host: 'h1' }]);
  assert.equal(bound(await exported(api)), 'h1');
  await api.refused('NOT_FOUND', 'GET', '/v1/export?tenant=globex');
  await api.refused('INVALID', 'GET', '/v1/export?of=acme');
});
