/** A host's tenants are theirs to give who may give roles there; olga keeps the installation, and its hosts. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { makeRequest } from '../trust/request.ts';
import { type Furnished, openTwoTenants, users } from './test-principals.ts';

const { operator, admin } = users;
const host = { name: 'new', vtep: '198.18.0.77' };
const document = { kind: 'host', ...host };
const hasTwo = async (api: Furnished) => {
  await api.ok('POST', '/v1/tenants/acme/grants', { name: 'olga', subject: 'user:olga', role: 'tenant-admin' });
  await api.ok('POST', '/v1/tenants/globex/grants', { name: 'olga', subject: 'user:olga', role: 'tenant-editor' });
};
const tenantsOf = async (api: Furnished, name: string): Promise<string[]> =>
  (await api.ok('GET', `/v1/hosts/${name}`)).tenants;

it('A24: are refused to who has no right to give roles there: by a host, a token, a document', async () => {
  await using api = await openTwoTenants();
  await hasTwo(api);
  const olga = api.as(operator);
  for (const tenants of [['globex'], ['acme', 'globex'], ['*']]) {
    await olga.refused('FORBIDDEN', 'POST', '/v1/hosts', { ...host, tenants });
    await olga.refused('FORBIDDEN', 'PATCH', '/v1/hosts/h2', { tenants });
    await olga.refused('FORBIDDEN', 'POST', '/v1/host-tokens', { tenants });
    for (const dryRun of [true, false])
      for (const name of ['new', 'h2']) {
        const documents = [{ ...document, name, tenants }];
        const { problems } = (await olga.refused('DOCUMENTS_REFUSED', 'POST', '/v1/apply', { documents, dryRun })) as {
          problems: { code: string }[];
        };
        assert.equal(problems[0]!.code, 'FORBIDDEN');
      }
  }
  const { tenant, who } = await olga.refused('FORBIDDEN', 'POST', '/v1/host-tokens', { tenants: ['globex'] });
  assert.deepEqual([tenant, who], ['globex', 'user:olga']);
});

it('A24: are given by who may give roles there, and all of them by an admin', async () => {
  await using api = await openTwoTenants();
  await hasTwo(api);
  const acme = api.world.find('tenant', '-', 'acme')!.record.id;
  const olga = api.as(operator);
  for (const tenants of [['acme'], [acme]]) await olga.ok('PATCH', '/v1/hosts/h2', { tenants });
  await olga.ok('POST', '/v1/hosts', { ...host, tenants: ['acme'] });
  await olga.ok('POST', '/v1/apply', {
    documents: [{ ...document, name: 'other', vtep: '198.18.0.78', tenants: ['acme'] }],
  });
  const { token } = await olga.ok('POST', '/v1/host-tokens', { tenants: ['acme'] });
  const { csr } = await makeRequest('joined');
  await api.as(undefined).ok('POST', '/v1/join', { token, csr, name: 'joined', vtep: '198.18.0.79' });
  for (const name of ['h2', 'new', 'other', 'joined']) assert.deepEqual(await tenantsOf(api, name), [acme]);
  await api.as(admin).ok('PATCH', '/v1/hosts/h2', { tenants: ['*'] });
  await api.as(admin).ok('POST', '/v1/host-tokens', { tenants: ['*'] });
});

it('stay what they are in what else is written of a host, and are taken by who keeps it', async () => {
  await using api = await openTwoTenants();
  await api.ok('PATCH', '/v1/hosts/h1', { tenants: ['acme', 'globex'] });
  await api.ok('PATCH', '/v1/hosts/h2', { tenants: ['*'] });
  const olga = api.as(operator);
  for (const name of ['h1', 'h2']) await olga.ok('PATCH', `/v1/hosts/${name}`, { labels: { rack: 'r1' } });
  assert.deepEqual(await tenantsOf(api, 'h2'), ['*']);
  for (const name of ['h1', 'h2']) await olga.ok('PATCH', `/v1/hosts/${name}`, { tenants: ['globex'] });
  await olga.refused('FORBIDDEN', 'PATCH', '/v1/hosts/h1', { tenants: ['acme', 'globex'] });
  await olga.refused('FORBIDDEN', 'PATCH', '/v1/hosts/h2', { tenants: ['*'] });
});

it('stay those of a host that joins again, as far as who lets it in may give them, unless it says which', async () => {
  await using api = await openTwoTenants();
  await hasTwo(api);
  const { csr } = await makeRequest('h1');
  const acme = api.world.find('tenant', '-', 'acme')!.record.id;
  const joinedBy = async (by: Pick<Furnished, 'ok'>, input: object) => {
    const { token } = await by.ok('POST', '/v1/host-tokens', { name: 'h1', ...input });
    await api.as(undefined).ok('POST', '/v1/join', { token, csr, vtep: '198.18.0.1' });
    return tenantsOf(api, 'h1');
  };
  await api.ok('PATCH', '/v1/hosts/h1', { tenants: ['acme', 'globex'] });
  const both = await tenantsOf(api, 'h1');
  assert.equal(both.length, 2);
  await api.ok('POST', '/v1/hosts/h1/revoke', {});
  assert.deepEqual(await joinedBy(api.as(admin), {}), both);
  // Who may not write in globex does not come to do so as a host of the operator's own.
  assert.deepEqual(await joinedBy(api.as(operator), {}), [acme]);
  assert.deepEqual(await joinedBy(api.as(admin), { tenants: [] }), []);
  await api.ok('PATCH', '/v1/hosts/h1', { tenants: ['*'] });
  assert.deepEqual(await joinedBy(api.as(admin), {}), ['*']);
  assert.deepEqual(await joinedBy(api.as(operator), {}), []);
});

it('A24: of a host that joins again are what it has by then, whenever the token was made; none are another’s', async () => {
  await using api = await openTwoTenants();
  await hasTwo(api);
  const { csr } = await makeRequest('h1');
  const [acme, globex] = ['acme', 'globex'].map((name) => api.world.find('tenant', '-', name)!.record.id);
  const give = (tenants: string[]) => api.ok('PATCH', '/v1/hosts/h1', { tenants });
  const tokenOf = (by: Pick<Furnished, 'ok'>) => by.ok('POST', '/v1/host-tokens', { name: 'h1' });
  const joined = async ({ token }: { token: string }, vtep = '198.18.0.1') => {
    await api.as(undefined).ok('POST', '/v1/join', { token, csr, vtep });
    return (await tenantsOf(api, 'h1')).sort();
  };
  await give(['acme', 'globex']);
  const [one, two, three, four, five] = [
    ...[await tokenOf(api.as(admin)), await tokenOf(api.as(admin)), await tokenOf(api.as(operator))],
    ...[await tokenOf(api.as(admin)), await tokenOf(api.as(admin))],
  ];
  assert.deepEqual(
    [one, three].map(({ tenants }) => tenants.length),
    [2, 1],
  );
  await give(['acme']);
  const listed = (await api.ok('GET', '/v1/host-tokens')).items.find(({ id }: { id: string }) => id === one.id);
  assert.deepEqual([listed.tenants, listed.keeps], [[acme], undefined]);
  assert.deepEqual(await joined(one), [acme], 'what was taken from it stays so');
  await give(['acme', 'globex']);
  assert.deepEqual(await joined(two), [acme, globex].sort(), 'what it was given stays so');
  assert.deepEqual(await joined(three), [acme], 'as far as whoever made the token could give it');
  await give(['acme', 'globex']);
  await api.ok('PATCH', '/v1/hosts/h1', { name: 'h8' });
  await api.ok('POST', '/v1/hosts', { ...host, name: 'h1', tenants: ['globex'] });
  assert.deepEqual(await joined(four, host.vtep), [], 'of another host that has its name now');
  await api.ok('DELETE', '/v1/hosts/h1?gone=true');
  assert.deepEqual(await joined(five, host.vtep), [], 'of a new one');
});
