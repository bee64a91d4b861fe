/** Whatever anybody writes: who may read one tenant sees that tenant's objects, all of them, in order, and nothing of others. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type Kind, kinds } from '../model/kinds.ts';
import { parseObjectKey } from './keys.ts';
import type { Principal } from './principal.ts';
import type { TestApi } from './test-api.ts';
import { openLines } from './test-lines.ts';
import { type Furnished, hostOf, openTwoTenants, user, users } from './test-principals.ts';

/** Who writes: some may in acme, some in globex, some in both, some nowhere. */
const writers = ['root', 'ada', 'ed', 'vic', 'bob', 'both', 'nobody', 'h1', 'h2'] as const;
const kindsOfTenant = (Object.keys(kinds) as Kind[]).filter((kind) => kinds[kind].scope === 'tenant');

const step = fc.record({
  who: fc.constantFrom(...writers),
  tenant: fc.constantFrom('acme', 'globex'),
  deed: fc.constantFrom('create', 'label', 'bind', 'delete', 'rename', 'apply', 'prune', 'grant', 'quota', 'roll back'),
  kind: fc.constantFrom('network', 'subnet', 'port', 'router', 'address'),
  n: fc.integer({ min: 0, max: 3 }),
});
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function principalOf(api: Furnished, who: Step['who']): Principal | undefined {
  if (who === 'root') return undefined;
  if (who === 'h1' || who === 'h2') return hostOf(api, who);
  const known = Object.values(users).find((one) => one.name === who);
  return known ?? user(who);
}

/** Names tell whose an object is: nothing of globex has a name that an object of acme has. */
const named = ({ tenant, n }: Pick<Step, 'tenant' | 'n'>): string => `${tenant === 'acme' ? 'ours' : 'theirs'}${n}`;

async function act(api: Furnished, start: bigint, { who, tenant, deed, kind, n }: Step) {
  const principal = principalOf(api, who);
  const client = principal ? api.as(principal) : api;
  const t = `/v1/tenants/${tenant}`;
  const { plural } = kinds[kind as Kind];
  const name = named({ tenant, n });
  const network = { kind: 'network', tenant, name, labels: { n: String(n) } };
  const more = {
    network: {},
    subnet: { network: 'web', cidr: `10.${tenant === 'acme' ? 40 : 50}.${n}.0/24` },
    port: { network: 'web', ...(n === 0 && { host: 'h1' }) },
    router: { ...(n === 1 && { subnets: ['v4'] }) },
    address: { network: 'web', ports: [named({ tenant, n: 0 })] },
  }[kind];
  switch (deed) {
    case 'create':
      return client.request('POST', `${t}/${plural}`, { name, ...more });
    case 'label':
      return client.request('PATCH', `${t}/${plural}/${name}`, { labels: { n: String(n) } });
    case 'bind':
      return client.request('PATCH', `${t}/ports/${name}`, { host: n === 0 ? null : `h${(n % 2) + 1}` });
    case 'delete':
      return client.request('DELETE', `${t}/${plural}/${name}`);
    case 'rename':
      return client.request('PATCH', `${t}/${plural}/${name}`, { name: named({ tenant, n: (n + 1) % 4 }) });
    case 'apply':
      return client.request('POST', '/v1/apply', { documents: [network], take: true });
    case 'prune':
      return client.request('POST', '/v1/apply', { documents: [network], prune: true, set: 'default', take: true });
    case 'grant':
      return n > 1
        ? client.request('DELETE', `${t}/grants/${name}`)
        : client.request('POST', `${t}/grants`, { name, subject: 'user:nobody', role: 'tenant-editor' });
    case 'quota':
      return client.request('PATCH', `${t}/quota`, { limits: { networks: n + 4 } });
    case 'roll back':
      return client.request('POST', '/v1/rollback', { to: String(start), ...(n > 0 && { tenant }) });
  }
}

/** What has been written of a tenant since, by kind: revision, what was done, and to which object. */
async function written(api: TestApi, tenant: string, from: bigint): Promise<Map<string, string[]>> {
  const changes = new Map<string, string[]>(kindsOfTenant.map((kind) => [kind, []]));
  const to = api.world.revision;
  for await (const batch of api.store.watch('/', from)) {
    for (const { key, value } of batch.changes) {
      const of = parseObjectKey(key);
      if (of?.scope === tenant) changes.get(of.kind)?.push(`${batch.revision} ${value ? 'put' : 'delete'} ${of.id}`);
    }
    if (batch.revision >= to) break;
  }
  return changes;
}

it('A22: an observer of one tenant sees exactly its objects, in order, whatever anybody writes', async () => {
  const run = async (steps: readonly Step[]) => {
    await using api = await openTwoTenants();
    for (const [tenant, subjects] of Object.entries({ globex: ['bob', 'both'], acme: ['both'] }))
      for (const name of subjects)
        await api.ok('POST', `/v1/tenants/${tenant}/grants`, { name, subject: `user:${name}`, role: 'tenant-editor' });
    await api.ok('POST', '/v1/tenants/globex/ports', { name: named({ tenant: 'globex', n: 0 }), network: 'web' });
    const observer = api.as(users.viewer);
    const [acme, globex] = ['acme', 'globex'].map((name) => api.world.find('tenant', '-', name)!.record.id);
    const start = api.world.revision;
    /** Everything that was ever said to one who has no role in globex. */
    const said: string[] = [];
    for (const one of steps) {
      const answer = await act(api, start, one);
      // Who asks for a name is told it again; but no id.
      if (['ada', 'ed', 'vic', 'nobody'].includes(one.who) && one.tenant === 'acme') said.push(JSON.stringify(answer));
    }
    await api.ok('POST', '/v1/tenants/acme/ports', { name: 'last', network: 'web' });

    const t = '/v1/tenants/acme';
    for (const kind of kindsOfTenant) {
      const { plural } = kinds[kind];
      const all = await api.ok('GET', `${t}/${plural}`);
      const seen = await observer.ok('GET', `${t}/${plural}`);
      said.push(JSON.stringify(seen));
      assert.deepEqual(seen.items, all.items);
      assert.deepEqual(
        seen.items.map(({ id }: { id: string }) => id),
        [...api.world.ofTenant(kind as 'port', acme!)].sort(),
      );
    }
    for (const [kind, changes] of await written(api, acme!, start + 1n)) {
      using lines = await openLines(api, users.viewer, `${t}/${kinds[kind as Kind].plural}?watch=${start + 1n}`);
      for (const change of changes) {
        const { revision, type, object } = await lines.next();
        assert.equal(`${revision} ${type} ${object.id}`, change);
        said.push(JSON.stringify(object));
      }
    }
    const path = `since=${start}&tenant=acme`;
    for (const [own, all] of [
      [await observer.ok('GET', `/v1/diff?since=${start}`), await api.ok('GET', `/v1/diff?${path}`)],
      [await observer.ok('GET', '/v1/events'), await api.ok('GET', '/v1/events?tenant=acme')],
    ]) {
      said.push(JSON.stringify(own));
      const things: { kind: string }[] = all.changes ?? all.items;
      // Who has which role is for those to know who give them.
      assert.deepEqual(
        own.changes ?? own.items,
        things.filter(({ kind }) => kind !== 'grant'),
      );
    }
    for (const url of ['/v1/export', '/v1/status', '/v1/tenants', '/v1/hosts', `${t}/quota`])
      said.push(JSON.stringify(await observer.ok('GET', url)));

    const ids = [...(await idsOf(api, globex!))];
    assert.ok(ids.length > 5);
    for (const text of said)
      for (const other of [...ids, 'theirs', 'globex']) assert.ok(!text.includes(other), `${other} in ${text}`);
  };
  await fc.assert(fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), run), { numRuns: 25 });
});

/** Ids of all that was ever in a tenant, and its own. */
async function idsOf(api: TestApi, tenant: string): Promise<Set<string>> {
  const ids = new Set([tenant]);
  const to = api.world.revision;
  for await (const batch of api.store.watch('/', 1n)) {
    for (const { key } of batch.changes) {
      const of = parseObjectKey(key);
      if (of?.scope === tenant) ids.add(of.id);
    }
    if (batch.revision >= to) break;
  }
  return ids;
}
