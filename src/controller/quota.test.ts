import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Kind, kinds } from '../model/kinds.ts';
import { quotaUnits } from '../model/quota.ts';
import { openSqlite } from '../store/sqlite.ts';
import { takenBy } from './quota-book.ts';
import { type Answer, openFurnishedApi, openTestApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';
import { both } from './test-race.ts';
import type { World } from './world.ts';

const t = '/v1/tenants/acme';
const quota = `${t}/quota`;
const limit = (api: TestApi, limits: object, tenant = t) => api.ok('PATCH', `${tenant}/quota`, { limits });
const used = async (api: TestApi) => (await api.ok('GET', quota)).used;

/** What each tenant has, counted anew. */
function counted(world: World): Map<string, number> {
  const counts = new Map<string, number>();
  for (const kind of Object.keys(kinds) as Kind[])
    for (const { record } of world.objects(kind).values())
      for (const [unit, n] of takenBy(kind, record)) {
        const key = `${'tenant' in record ? record.tenant : '-'}/${unit}`;
        counts.set(key, (counts.get(key) ?? 0) + n);
      }
  return counts;
}

/** Fails if the book has another count than the objects, or a revision made something grow beyond its limit. */
function watchGrowth({ world }: Pick<TestApi, 'world'>): () => void {
  let before = counted(world);
  const faults: string[] = [];
  world.listeners.add((_, revision) => {
    const after = counted(world);
    for (const tenant of world.tenant.keys())
      for (const unit of quotaUnits) {
        const key = `${tenant}/${unit}`;
        const [was = 0, is = 0] = [before.get(key), after.get(key)];
        const most = world.quotas.limitsOf(tenant)[unit];
        if (is > was && most !== undefined && is > most)
          faults.push(`${unit} ${was} to ${is} of ${most} at ${revision}`);
        if (world.quotas.usedOf(tenant, unit) !== is) faults.push(`${unit} is ${is} at ${revision}`);
      }
    before = after;
  });
  return () => assert.deepEqual(faults, []);
}

for (const controllers of [1, 2])
  describe(`${controllers} controller(s)`, () => {
    for (const [unit, path, body] of [
      ['networks', 'networks', (n: number) => ({ name: `n${n}` })],
      ['subnets', 'subnets', (n: number) => ({ name: `s${n}`, network: 'web', cidr: `10.1.${n}.0/24` })],
      ['ports', 'ports', () => ({ network: 'web' })],
      ['addresses', 'addresses', (n: number) => ({ name: `a${n}`, network: 'web', ports: [`p${n}`] })],
      ['routers', 'routers', (n: number) => ({ name: `r${n}` })],
    ] as const)
      it(`A27: of 50 who make ${path} at once, as many succeed as the quota has room for`, async () => {
        await using store = await openSqlite(':memory:');
        await using first = await openFurnishedApi({ store });
        await using second = await openTestApi({ store });
        const room = 10;
        const have = (await used(first))[unit];
        await limit(first, { [unit]: have + room });
        await second.world.reached(first.world.revision);
        const check = watchGrowth(second);
        const make = (n: number) =>
          (controllers === 2 && n % 2 ? second : first).request('POST', `${t}/${path}`, body(n));
        const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => make(n)));
        const codes = answers.map((a: Answer) => (a.status === 201 ? 'made' : a.body.code));
        assert.equal(codes.filter((c) => c === 'made').length, room, `${codes}`);
        assert.equal(codes.filter((c) => c === 'QUOTA_EXCEEDED').length, 50 - room, `${codes}`);
        assert.equal((await used(first))[unit], have + room);
        check();
        await assertNoLeak(store);
      });
  });

it('A27: gives the last place to one of two controllers that decided at once, and to none after a limit came between', async () => {
  await using store = await openSqlite(':memory:');
  await using here = await openFurnishedApi({ store });
  await using there = await openTestApi({ store });
  const tenant = here.world.find('tenant', '-', 'acme')!.record.id;
  // Nothing of the two would clash but the count: no address, no name. The second is decided before it hears of the first.
  const make = (api: TestApi) => () => api.writer.create('port', tenant, { network: 'web', addresses: [] });
  for (let room = 1; room <= 10; room++) {
    await limit(here, { ports: room });
    await there.world.reached(here.world.revision);
    assert.deepEqual(await both(make(here), make(there)), ['done', 'QUOTA_EXCEEDED']);
    await here.world.reached(there.world.revision);
  }
  await limit(here, { ports: null });
  await there.world.reached(here.world.revision);
  const close = () => here.writer.limit('acme', undefined, { ports: 10 });
  assert.deepEqual(await both(close, make(there)), ['done', 'QUOTA_EXCEEDED']);
});

it('A27: says whose limit it is, of what, and how much there is, and writes nothing', async () => {
  await using api = await openFurnishedApi();
  await limit(api, { ports: 2, addresses: 3, networks: 1 });
  await api.ok('POST', `${t}/ports`, { network: 'web' }); // 10.0.0.2 and fd00::2
  const more = { tenant: 'acme', of: 'addresses', limit: 3, used: 2, wanted: 2 };
  assert.deepEqual(await api.refused('QUOTA_EXCEEDED', 'POST', `${t}/ports`, { network: 'web' }), more);
  await api.ok('POST', `${t}/ports`, { network: 'web', addresses: ['10.0.0.9'] });
  const third = { tenant: 'acme', of: 'ports', limit: 2, used: 2, wanted: 1 };
  assert.deepEqual(await api.refused('QUOTA_EXCEEDED', 'POST', `${t}/ports`, { network: 'web', addresses: [] }), third);
  const { body } = await api.request('POST', `${t}/networks`, { name: 'more' });
  assert.equal(
    body.detail,
    'quota of tenant acme: 1 of 1 networks in use, no room for 1 more; delete some, or raise the limit: heddle quota set networks=<limit> --tenant acme',
  );
  await api.ok('POST', '/v1/tenants', { name: 'globex' });
  await api.ok('POST', '/v1/tenants/globex/networks', { name: 'web' });
});

it('counts what a change adds, and lets through what takes nothing more', async () => {
  await using api = await openFurnishedApi();
  const routes = (n: number) => Array.from({ length: n }, (_, i) => ({ destination: `10.9.${i}.0/24` }));
  await api.ok('POST', `${t}/routers`, { name: 'r1', subnets: ['v4'], routes: routes(2) });
  await limit(api, { routes: 3 });
  assert.deepEqual(await api.refused('QUOTA_EXCEEDED', 'PATCH', `${t}/routers/r1`, { routes: routes(4) }), {
    ...{ tenant: 'acme', of: 'routes', limit: 3, used: 2, wanted: 2 },
  });
  await api.ok('PATCH', `${t}/routers/r1`, { routes: routes(3) });
  await limit(api, { routes: 1 });
  await api.ok('PATCH', `${t}/routers/r1`, { routes: routes(3), labels: { a: 'b' } });
  await api.ok('PATCH', `${t}/routers/r1`, { routes: routes(2) });
  await api.refused('QUOTA_EXCEEDED', 'PATCH', `${t}/routers/r1`, { routes: routes(3) });
});

it('stops growth alone where a limit is lowered below what there is, and until there is room again', async () => {
  await using api = await openFurnishedApi();
  const port = (name: string) => ['POST', `${t}/ports`, { name, network: 'web' }] as const;
  for (const name of ['a', 'b', 'c']) await api.ok(...port(name));
  assert.deepEqual((await limit(api, { ports: 1 })).limits, { ports: 1 });
  await api.ok('PATCH', `${t}/ports/a`, { name: 'aa', dnsNames: ['x'], host: 'h1' });
  for (const name of ['aa', 'b', 'c']) {
    await api.refused('QUOTA_EXCEEDED', ...port('d'));
    await api.ok('DELETE', `${t}/ports/${name}`);
  }
  await api.ok(...port('d'));
  await api.refused('QUOTA_EXCEEDED', ...port('e'));
  await limit(api, { ports: null });
  await api.ok(...port('e'));
  await limit(api, { ports: 0 });
  await api.refused('QUOTA_EXCEEDED', ...port('f'));
});

it('A27: refuses a set of documents that goes beyond a limit as a whole, and takes one that fits', async () => {
  await using api = await openFurnishedApi();
  await limit(api, { ports: 2 });
  const set = (n: number) => ({
    documents: Array.from({ length: n }, (_, i) => ({ kind: 'port', tenant: 'acme', name: `p${i}`, network: 'web' })),
  });
  const before = await api.store.range('/');
  const refused = await api.request('POST', '/v1/apply', set(3));
  assert.equal(refused.status, 409, JSON.stringify(refused.body));
  assert.match(JSON.stringify(refused.body), /QUOTA_EXCEEDED|quota of tenant acme: 2 of 2 ports in use/);
  assert.deepEqual(await api.store.range('/'), before, 'nothing of it was written');
  await api.ok('POST', '/v1/apply', set(2));
  assert.equal((await used(api)).ports, 2);
});

it('holds a new tenant to its limits in the very set of documents that makes it', async () => {
  await using api = await openFurnishedApi({ tenantQuota: { networks: 1 } });
  const set = (...names: string[]) => ({
    documents: [{ kind: 'tenant', name: 'new' }, ...names.map((name) => ({ kind: 'network', tenant: 'new', name }))],
  });
  const refused = await api.request('POST', '/v1/apply', set('a', 'b'));
  assert.match(JSON.stringify(refused.body), /quota of tenant new: 1 of 1 networks in use/);
  assert.equal(api.world.find('tenant', '-', 'new'), undefined);
  await api.ok('POST', '/v1/apply', set('a'));
});

it('refuses to roll back to more than a limit, and rolls back to what fits', async () => {
  await using api = await openFurnishedApi();
  for (const name of ['a', 'b']) await api.ok('POST', `${t}/networks`, { name });
  const three = String(api.world.revision);
  await api.ok('DELETE', `${t}/networks/b`);
  const two = String(api.world.revision);
  await api.ok('DELETE', `${t}/networks/a`);
  await limit(api, { networks: 2 });
  const before = await api.store.range('/');
  const refused = await api.request('POST', '/v1/rollback', { to: three, tenant: 'acme' });
  assert.equal(refused.status, 409, JSON.stringify(refused.body));
  assert.match(JSON.stringify(refused.body), /QUOTA_EXCEEDED/);
  assert.deepEqual(await api.store.range('/'), before, 'nothing of it was written');
  await api.ok('POST', '/v1/rollback', { to: two, tenant: 'acme' });
  assert.equal((await used(api)).networks, 2);
});

it('refuses the port of a host that is made from its lease as any other', async () => {
  await using api = await openFurnishedApi();
  await limit(api, { ports: 1, addresses: 8 });
  const lease = await api.ok('POST', `${t}/leases`, { network: 'web', host: 'h1', size: 4 });
  assert.equal((await used(api)).addresses, 0, 'what hosts hold is nobody’s yet');
  const upload = (i: number) => ({ network: 'web', host: 'h1', addresses: [lease.addresses[i]], ephemeral: true });
  const made = await api.ok('POST', `${t}/ports`, upload(0));
  const asked = { ...upload(1), id: '01a1fbe3-73c1-7595-93b3-860e40bdeaf6' };
  assert.equal((await api.refused('QUOTA_EXCEEDED', 'POST', `${t}/ports`, asked)).of, 'ports');
  await api.ok('DELETE', `${t}/ports/${made.id}`);
  await api.ok('POST', `${t}/ports`, asked);
  // Told twice, it is made once.
  assert.equal((await api.request('POST', `${t}/ports`, asked)).status, 200);
  await assertNoLeak(api.store);
});

it('shows limits beside use, takes a patch, and refuses what is none', async () => {
  await using api = await openFurnishedApi();
  const none = await api.request('GET', quota);
  const nothing = Object.fromEntries(quotaUnits.map((unit) => [unit, 0]));
  const tenant = api.world.find('tenant', '-', 'acme')!.record.id;
  assert.deepEqual(none.body, { tenant, revision: '0', limits: {}, used: { ...nothing, networks: 1, subnets: 2 } });
  const set = await api.request('PATCH', quota, { limits: { ports: 5, networks: 2 } });
  assert.deepEqual(set.body.limits, { networks: 2, ports: 5 });
  assert.equal(set.headers.etag, `"${set.body.revision}"`);
  assert.deepEqual((await limit(api, { ports: 6 })).limits, { networks: 2, ports: 6 });
  await api.refused(
    'REVISION_CONFLICT',
    'PATCH',
    quota,
    { limits: { ports: 1 } },
    { 'if-match': `"${set.body.revision}"` },
  );
  assert.deepEqual((await limit(api, { ports: null })).limits, { networks: 2 });
  for (const body of [
    {},
    [],
    { limits: { hosts: 1 } },
    { limits: { ports: -1 } },
    { limits: { ports: 1.5 } },
    { limits: { ports: 1e12 } },
    { limits: { ports: '5' } },
    { limits: {}, used: { ports: 0 } },
  ])
    await api.refused('INVALID', 'PATCH', quota, body);
  await api.refused('INVALID', 'GET', `${quota}?all=true`);
  await api.refused('NOT_FOUND', 'PATCH', '/v1/tenants/nobody/quota', { limits: {} });
  await api.refused('ROUTE_UNKNOWN', 'DELETE', quota);
});

it('gives new tenants what the controller says, keeps it through a restart, and leaves nothing of it behind', async () => {
  await using store = await openSqlite(':memory:');
  {
    await using api = await openFurnishedApi({ store, tenantQuota: { ports: 1 } });
    await api.ok('POST', `${t}/ports`, { name: 'p', network: 'web' });
    assert.deepEqual((await api.ok('GET', quota)).limits, { ports: 1 });
  }
  await using api = await openTestApi({ store, tenantQuota: { networks: 7 } });
  await api.refused('QUOTA_EXCEEDED', 'POST', `${t}/ports`, { network: 'web' });
  await api.ok('POST', '/v1/tenants', { name: 'later' });
  assert.deepEqual((await api.ok('GET', '/v1/tenants/later/quota')).limits, { networks: 7 });
  for (const path of ['ports/p', 'subnets/v4', 'subnets/v6', 'networks/web']) await api.ok('DELETE', `${t}/${path}`);
  await api.ok('DELETE', t);
  await api.ok('DELETE', '/v1/tenants/later');
  for (const prefix of ['/quota/', '/cursor/growth/']) assert.deepEqual((await store.range(prefix)).entries, []);
});

it('costs a write the same however much the tenant has', async () => {
  await using api = await openFurnishedApi();
  await limit(api, { ports: 1000, addresses: 2000 });
  const txn = api.store.txn.bind(api.store);
  const conditions: number[] = [];
  api.store.txn = (tx) => {
    conditions.push(tx.compare?.length ?? 0);
    return txn(tx);
  };
  const make = () => api.ok('POST', `${t}/ports`, { network: 'web', addresses: [] });
  await make();
  for (let i = 0; i < 300; i++) await make();
  assert.equal(new Set(conditions).size, 1, `${new Set(conditions)}`);
  const range = api.store.range.bind(api.store);
  api.store.range = () => assert.fail('nothing is read');
  await make();
  api.store.range = range;
});

it('A27: never grows beyond a limit, whatever comes at once from two controllers', async () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant('make'), kind: fc.constantFrom('port', 'router', 'network', 'address'), n: fc.nat(3) }),
    fc.record({ do: fc.constant('drop'), kind: fc.constantFrom('port', 'router', 'network', 'address'), n: fc.nat(3) }),
    fc.record({ do: fc.constant('routes'), kind: fc.constant('router'), n: fc.nat(4) }),
    fc.record({ do: fc.constant('limit'), kind: fc.constantFrom(...quotaUnits), n: fc.nat(6) }),
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 6 }),
      async (rounds) => {
        await using store = await openSqlite(':memory:');
        await using first = await openFurnishedApi({ store });
        await using second = await openTestApi({ store });
        const check = watchGrowth(second);
        let serial = 0;
        for (const steps of rounds) {
          await Promise.all(
            steps.map(({ do: what, kind, n }, i) => {
              const api = i % 2 ? second : first;
              const path = `${t}/${kinds[kind as Kind]?.plural}`;
              const name = `${kind}-${n}`;
              if (what === 'limit') return api.request('PATCH', quota, { limits: { [kind]: n === 6 ? null : n } });
              if (what === 'drop') return api.request('DELETE', `${path}/${name}`);
              const routes = Array.from({ length: n }, (_, at) => ({ destination: `10.9.${at}.0/24` }));
              if (what === 'routes') return api.request('PATCH', `${path}/router-${n % 4}`, { routes });
              const bodies: Record<string, object> = {
                port: { name, network: 'web', addresses: [`10.0.0.${10 + ++serial}`] },
                router: { name, routes },
                network: { name },
                address: { name, network: 'web', ports: ['p'] },
              };
              return api.request('POST', path, bodies[kind]);
            }),
          );
        }
        await second.world.reached(first.world.revision);
        check();
        await assertNoLeak(store);
      },
    ),
    { numRuns: 60 },
  );
});
