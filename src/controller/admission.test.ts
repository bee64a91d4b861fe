/** What somebody may is asked when a request's headers come, and once more when its body has. */
import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { it } from 'node:test';
import type { Principal } from './principal.ts';
import { asHeader } from './test-api.ts';
import { type Furnished, hostOf, openTwoTenants, user, users } from './test-principals.ts';

const headersOf = (principal: Principal) => ({ [asHeader]: JSON.stringify(principal) });

/** The answer to a write whose body comes when something else is done, after its headers were taken. */
async function slowly(api: Furnished, headers: Record<string, string>, url: string, meanwhile: () => Promise<unknown>) {
  const admitted = Promise.withResolvers<void>();
  const body = new Readable({ read: () => admitted.resolve() });
  const all = { 'content-type': 'application/json', ...headers };
  const answer = api.app.inject({ method: 'POST', url, headers: all, payload: body });
  await admitted.promise;
  await meanwhile();
  body.push(JSON.stringify({ name: 'late' }));
  body.push(null);
  const { statusCode, payload } = await answer;
  return { status: statusCode, body: JSON.parse(payload) };
}
const networks = '/v1/tenants/acme/networks';
const isThere = (api: Furnished) => [...api.world.network.values()].some(({ record }) => record.name === 'late');

for (const [what, code, gone, headers] of [
  ['a grant', 'NOT_FOUND', '/v1/tenants/acme/grants/ed', () => headersOf(users['tenant-editor'])],
  ['the office of an admin', 'NOT_FOUND', '/v1/grants/root', () => headersOf(users.admin)],
  ['the tenant', 'NOT_FOUND', '/v1/tenants/it', () => headersOf(users.admin)],
  ['a host', 'UNAUTHENTICATED', '/v1/hosts/h3', (api: Furnished) => headersOf(hostOf(api, 'h3'))],
  ['nothing of it', undefined, '/v1/tenants/acme/grants/dev', () => headersOf(users['tenant-editor'])],
] as const)
  it(`A24: what is deleted while a body comes: ${what}`, async () => {
    await using api = await openTwoTenants();
    await api.ok('POST', '/v1/hosts', { name: 'h3', vtep: '198.18.0.3', tenants: ['*'] });
    const url = what === 'the tenant' ? '/v1/tenants/it/networks' : networks;
    const answer = await slowly(api, headers(api), url, () => api.ok('DELETE', gone));
    assert.equal(answer.body.code, code);
    assert.equal(isThere(api), code === undefined);
  });

it('A29: a token that is deleted while a body comes lets nobody in', async () => {
  await using api = await openTwoTenants();
  const { id, token } = await api.ok('POST', '/v1/tokens', { user: 'ed' });
  const shown = { authorization: `Bearer ${token}` };
  const answer = await slowly(api, shown, networks, () => api.ok('DELETE', `/v1/tokens/${id}`));
  assert.deepEqual([answer.status, answer.body.code], [401, 'TOKEN_INVALID']);
  assert.equal(isThere(api), false);
});

it('A24: a tenant whose name goes to another while a body comes is still the one that is meant', async () => {
  await using api = await openTwoTenants();
  const both = user('bea');
  for (const tenant of ['acme', 'globex'])
    await api.ok('POST', `/v1/tenants/${tenant}/grants`, { name: 'bea', subject: 'user:bea', role: 'tenant-editor' });
  const acme = api.world.find('tenant', '-', 'acme')!.record.id;
  const answer = await slowly(api, headersOf(both), networks, async () => {
    await api.ok('PATCH', '/v1/tenants/acme', { name: 'old' });
    await api.ok('PATCH', '/v1/tenants/globex', { name: 'acme' });
  });
  assert.deepEqual([answer.status, answer.body.tenant], [201, acme]);
});
