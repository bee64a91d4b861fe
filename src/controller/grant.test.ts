/** Grants as objects, and the tenants that a host was given. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openTestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';

const grant = (name: string, role: string, more: object = {}) => ({ name, subject: `user:${name}`, role, ...more });
const names = ({ items }: { items: { name: string }[] }) => items.map(({ name }) => name);

it('are of the installation or of a tenant, each with names of its own, and have a past as other kinds', async () => {
  await using api = await openTestApi();
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  const t = '/v1/tenants/acme/grants';
  await api.ok('POST', '/v1/grants', grant('ann', 'operator'));
  const { tenant, id } = await api.ok('POST', t, grant('ann', 'viewer', { labels: { why: 'audit' } }));
  assert.equal(tenant, api.world.find('tenant', '-', 'acme')!.record.id);
  assert.deepEqual([names(await api.ok('GET', '/v1/grants')), names(await api.ok('GET', t))], [['ann'], ['ann']]);
  await api.refused('NAME_TAKEN', 'POST', t, grant('ann', 'viewer'));
  await api.refused('NOT_FOUND', 'GET', `/v1/grants/${id}`);
  await api.ok('PATCH', `${t}/ann`, { role: 'tenant-editor', name: 'anne' });
  const { items } = await api.ok('GET', `${t}/anne/history`);
  assert.deepEqual(
    items.map(({ action, fields }: { action: string; fields: { field: string }[] }) => [action, fields.length]),
    [
      ['update', 2],
      ['create', 3],
    ],
  );
  await api.refused('IMMUTABLE', 'PATCH', `${t}/anne`, { subject: 'user:bob' });
  await assertNoLeak(api.store);
});

it('are applied and exported as other kinds', async () => {
  await using api = await openTestApi();
  const documents = [
    { kind: 'tenant', name: 'acme' },
    { kind: 'grant', name: 'root', subject: 'group:ops', role: 'admin' },
    { kind: 'grant', tenant: 'acme', name: 'dev', subject: 'group:dev', role: 'tenant-editor' },
    { kind: 'host', name: 'h1', vtep: '198.18.0.1', tenants: ['acme'] },
    { kind: 'host', name: 'h2', vtep: '198.18.0.2', tenants: ['*'] },
  ];
  await api.ok('POST', '/v1/apply', { documents });
  const exported = (await api.ok('GET', '/v1/export')).documents as Record<string, unknown>[];
  const of = (name: string) => exported.find((document) => document.name === name);
  assert.deepEqual(of('root'), documents[1]);
  assert.deepEqual(of('dev'), documents[2]);
  assert.deepEqual([of('h1')?.tenants, of('h2')?.tenants], [['acme'], ['*']]);
  const { changes } = await api.ok('POST', '/v1/apply', { documents: exported, dryRun: true });
  assert.deepEqual([...new Set(changes.map(({ action }: { action: string }) => action))], ['unchanged']);
  const wrong = [{ kind: 'grant', name: 'x', subject: 'user:x', role: 'viewer' }];
  await api.refused('DOCUMENTS_REFUSED', 'POST', '/v1/apply', { documents: wrong });
});

it('go with their tenant, and none comes while it goes', async () => {
  await using api = await openTestApi();
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  for (const name of ['a', 'b']) await api.ok('POST', '/v1/tenants/acme/grants', grant(name, 'viewer'));
  const [made, gone] = await Promise.all([
    api.request('POST', '/v1/tenants/acme/grants', grant('c', 'viewer')),
    api.request('DELETE', '/v1/tenants/acme'),
  ]);
  assert.equal(gone.status, 204);
  assert.ok([201, 404].includes(made.status), String(made.status));
  assert.equal(api.world.grant.size, 0);
  assert.equal(api.world.grantsOfSubject.size('user:a'), 0);
  await assertNoLeak(api.store);
});

it('a host is given tenants by name or id, each once, or all; one that is gone is left out when it is written again', async () => {
  await using api = await openTestApi();
  const ids: Record<string, string> = {};
  for (const name of ['acme', 'globex']) ids[name] = (await api.ok('POST', '/v1/tenants', { name })).id;
  const given = async (tenants: string[]) => (await api.ok('PATCH', '/v1/hosts/h1', { tenants })).tenants;
  assert.deepEqual((await api.ok('POST', '/v1/hosts', { name: 'h1', vtep: '198.18.0.1' })).tenants, []);
  assert.deepEqual(await given(['acme', ids.acme!, 'globex']), Object.values(ids).sort());
  await api.refused('NOT_FOUND', 'PATCH', '/v1/hosts/h1', { tenants: ['nowhere'] });
  await api.ok('DELETE', '/v1/tenants/globex');
  assert.deepEqual((await api.ok('PATCH', '/v1/hosts/h1', { labels: { a: 'b' } })).tenants, [ids.acme]);
  assert.deepEqual(await given(['acme', '*']), ['*']);
  assert.deepEqual(await given([]), []);
});
