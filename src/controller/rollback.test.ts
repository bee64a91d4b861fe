import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import type { Rollback } from '../model/history.ts';
import type { Kind } from '../model/kinds.ts';
import { openSqlite } from '../store/sqlite.ts';
import { anyEdit } from './any-edit-suite.ts';
import type { RouterRecord, Stored } from './records.ts';
import { openFurnishedApi, openTestApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';
import { applyEdit, type Edit } from './test-edits.ts';
import { assertSame, hosts, openWithHosts } from './test-hosts.ts';
import { wishOf } from './wishes.ts';

const t = '/v1/tenants/acme';
const back = (api: TestApi, to: bigint | string, more: object = {}): Promise<Rollback> =>
  api.ok('POST', '/v1/rollback', { to: String(to), ...more });
const said = ({ changes }: Rollback): string[] => changes.map((c) => `${c.action} ${c.kind} ${c.name}`);

/** What users wrote, as bytes: by id, and as an export. Hosts come and go by themselves, and a name of a router that is gone is nobody's. */
async function written({ world, request }: TestApi): Promise<string> {
  const objects = (['tenant', 'network', 'subnet', 'port', 'address', 'router'] as Kind[])
    .flatMap((kind) => [...world.objects(kind).values()])
    .flatMap(({ kind, record }: Stored) => {
      const wish = wishOf(kind, record as never);
      if (!wish) return [];
      const peers = kind === 'router' && { peers: (record as RouterRecord).peers.filter((id) => world.router.has(id)) };
      return `${kind} ${record.id} ${record.createdAt} ${JSON.stringify(Object.entries({ ...wish, ...peers }).sort())}`;
    });
  const { documents } = (await request('GET', '/v1/export')).body;
  const exported = documents.filter((d: { kind: string }) => d.kind !== 'host' && d.kind !== 'router');
  return [...objects.sort(), ...exported.map((d: object) => JSON.stringify(d))].join('\n');
}

it('brings back what was changed, deleted and made since, with its ids, and says what', async () => {
  await using api = await openFurnishedApi();
  await api.ok('POST', `${t}/networks`, { name: 'db', vni: 500 });
  await api.ok('POST', `${t}/subnets`, { name: 'db4', network: 'db', cidr: '10.1.0.0/24' });
  await api.ok('POST', `${t}/routers`, {
    name: 'r1',
    subnets: ['v4', 'db4'],
    routes: [{ destination: '10.9.0.0/16' }],
  });
  const port = await api.ok('POST', `${t}/ports`, { name: 'p1', network: 'db', labels: { tier: 'db' } });
  const to = api.world.revision;
  const before = await written(api);

  await api.ok('DELETE', `${t}/ports/p1`);
  await api.ok('DELETE', `${t}/routers/r1`);
  await api.ok('DELETE', `${t}/subnets/db4`);
  await api.ok('DELETE', `${t}/networks/db`);
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1400 });
  await api.ok('POST', `${t}/networks`, { name: 'new' });
  await api.ok('POST', `${t}/subnets`, { name: 'new4', network: 'new', cidr: '10.2.0.0/24' });

  const planned = await back(api, to, { dryRun: true });
  assert.notEqual(await written(api), before, 'a dry run writes nothing');
  const done = await back(api, to);
  assert.deepEqual(done.changes, planned.changes);
  assert.deepEqual(said(done), [
    ...['create network db', 'delete network new', 'update network web'],
    ...['create subnet db4', 'delete subnet new4', 'create port p1', 'create router r1'],
  ]);
  assert.equal(await written(api), before);
  assert.equal((await api.ok('GET', `${t}/ports/p1`)).id, port.id);
  assert.equal((await api.ok('GET', `${t}/ports/p1`)).mac, port.mac);
  await assertNoLeak(api.store);
  assert.deepEqual((await back(api, to)).changes, [], 'a second time there is nothing to do');
});

it('leaves bindings, leases and hosts as they are', async () => {
  await using api = await openFurnishedApi();
  await api.ok('POST', `${t}/ports`, { name: 'p1', network: 'web', labels: { v: '1' } });
  await api.ok('PATCH', '/v1/hosts/h1', { labels: { rack: 'a' } });
  const to = api.world.revision;
  await api.ok('PATCH', `${t}/ports/p1`, { labels: { v: '2' }, host: 'h1', standby: 'h2' });
  await api.ok('POST', `${t}/leases`, { network: 'web', host: 'h2', size: 4 });
  await api.ok('PATCH', '/v1/hosts/h1', { labels: { rack: 'b' }, openPorts: ['tcp/443'], mtuBytes: 9000 });
  await api.ok('POST', '/v1/hosts', { name: 'h3', vtep: '198.18.0.3' });
  const done = await back(api, to);
  assert.deepEqual(said(done), ['update host h1', 'update port p1']);
  const p1 = await api.ok('GET', `${t}/ports/p1`);
  assert.deepEqual([p1.labels, p1.host !== undefined, p1.standby !== undefined], [{ v: '1' }, true, true]);
  assert.equal((await api.ok('GET', `${t}/leases`)).items[0].size, 4);
  const h1 = await api.ok('GET', '/v1/hosts/h1');
  assert.deepEqual([h1.labels, h1.openPorts, h1.mtuBytes], [{ rack: 'a' }, [], 9000]);
  assert.ok(await api.ok('GET', '/v1/hosts/h3'));
});

it('brings back one tenant alone, also one that is gone', async () => {
  await using api = await openFurnishedApi();
  for (const name of ['globex', 'other']) {
    await api.ok('POST', '/v1/tenants', { name });
    await api.ok('POST', `/v1/tenants/${name}/networks`, { name: 'n1' });
  }
  const to = api.world.revision;
  const before = await written(api);
  for (const name of ['globex', 'other']) {
    await api.ok('DELETE', `/v1/tenants/${name}/networks/n1`);
    await api.ok('DELETE', `/v1/tenants/${name}`);
  }
  assert.deepEqual(said(await back(api, to, { tenant: 'globex' })), ['create tenant globex', 'create network n1']);
  assert.deepEqual(
    (await api.ok('GET', '/v1/tenants')).items.map((x: { name: string }) => x.name),
    ['acme', 'globex'],
  );
  await back(api, to, { tenant: 'other' });
  assert.equal(await written(api), before);
  const { kind, name } = await api.refused('NOT_FOUND', 'POST', '/v1/rollback', { to: String(to), tenant: 'nobody' });
  assert.deepEqual([kind, name], ['tenant', 'nobody']);
});

it('gives a network another number if somebody has its own now', async () => {
  await using api = await openFurnishedApi();
  await api.ok('POST', '/v1/tenants', { name: 'globex' });
  await api.ok('POST', `${t}/networks`, { name: 'n1', vni: 500 });
  const to = api.world.revision;
  await api.ok('DELETE', `${t}/networks/n1`);
  await api.ok('POST', '/v1/tenants/globex/networks', { name: 'n1', vni: 500 });
  await back(api, to, { tenant: 'acme' });
  assert.notEqual((await api.ok('GET', `${t}/networks/n1`)).vni, 500);
});

it('refuses what cannot come back with its name and why, and writes nothing', async () => {
  await using api = await openFurnishedApi();
  await api.ok('POST', `${t}/ports`, { name: 'p1', network: 'web', addresses: ['10.0.0.9'] });
  const to = api.world.revision;
  await api.ok('DELETE', `${t}/ports/p1`);
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1400 });
  await api.ok('POST', `${t}/networks`, { name: 'busy' });
  await api.ok('POST', `${t}/subnets`, { name: 'busy4', network: 'busy', cidr: '10.1.0.0/24' });
  await api.ok('POST', `${t}/ports`, { name: 'c1', network: 'busy', ephemeral: true });
  const inUse = await api.refused('ROLLBACK_REFUSED', 'POST', '/v1/rollback', { to: String(to) });
  assert.deepEqual(
    (inUse.problems as { kind: string; name: string; code: string }[]).map((p) => `${p.kind} ${p.name} ${p.code}`),
    ['subnet busy4 IN_USE'],
  );
  await api.ok('DELETE', `${t}/ports/c1`);
  // What a host holds is its own to give, and this one does not answer.
  await api.ok('POST', `${t}/leases`, { network: 'web', host: 'h1', size: 0, addresses: ['10.0.0.9'] });
  const taken = await api.refused('ROLLBACK_REFUSED', 'POST', '/v1/rollback', { to: String(to) });
  assert.deepEqual(
    (taken.problems as { kind: string; name: string; code: string }[]).map((p) => `${p.kind} ${p.name} ${p.code}`),
    ['port p1 ADDRESS_TAKEN'],
  );
  await api.ok('DELETE', `${t}/leases/web-h1`);
  await back(api, to);
  assert.deepEqual((await api.ok('GET', `${t}/ports/p1`)).addresses, ['10.0.0.9']);
});

it('exchanges names, subnets of routers and addresses of machines again', async () => {
  await using api = await openFurnishedApi();
  for (const [i, name] of ['db', 'ops'].entries()) {
    await api.ok('POST', `${t}/networks`, { name });
    await api.ok('POST', `${t}/subnets`, { name: `${name}4`, network: name, cidr: `10.${i + 1}.0.0/24` });
  }
  await api.ok('POST', `${t}/routers`, { name: 'r1', subnets: ['db4'] });
  await api.ok('POST', `${t}/routers`, { name: 'r2', subnets: ['ops4'] });
  await api.ok('POST', `${t}/ports`, { name: 'lan', network: 'web', segment: {} });
  for (const n of [1, 2])
    await api.ok('POST', `${t}/ports`, { name: `m${n}`, network: 'web', behind: 'lan', addresses: [`10.0.0.1${n}`] });
  const to = api.world.revision;
  const before = await written(api);
  await api.ok('PATCH', `${t}/networks/db`, { name: 'x' });
  await api.ok('PATCH', `${t}/networks/ops`, { name: 'db' });
  await api.ok('PATCH', `${t}/networks/x`, { name: 'ops' });
  await api.ok('PATCH', `${t}/routers/r1`, { subnets: [] });
  await api.ok('PATCH', `${t}/routers/r2`, { subnets: ['db4'] });
  await api.ok('PATCH', `${t}/routers/r1`, { subnets: ['ops4'] });
  await api.ok('PATCH', `${t}/ports/m1`, { addresses: [] });
  await api.ok('PATCH', `${t}/ports/m2`, { addresses: ['10.0.0.11'] });
  await api.ok('PATCH', `${t}/ports/m1`, { addresses: ['10.0.0.12'] });
  await back(api, to);
  assert.equal(await written(api), before);
  await assertNoLeak(api.store);
});

it('brings routers back that named each other, and what one of another tenant named', async () => {
  await using api = await openFurnishedApi();
  await api.ok('POST', '/v1/tenants', { name: 'globex' });
  const there = await api.ok('POST', '/v1/tenants/globex/routers', { name: 'r' });
  const r1 = await api.ok('POST', `${t}/routers`, { name: 'r1', peers: [there.id] });
  const r2 = await api.ok('POST', `${t}/routers`, { name: 'r2', peers: [r1.id] });
  await api.ok('PATCH', `${t}/routers/r1`, { peers: [there.id, r2.id] });
  await api.ok('PATCH', '/v1/tenants/globex/routers/r', { peers: [r1.id] });
  const to = api.world.revision;
  const before = await written(api);
  for (const name of ['r1', 'r2']) await api.ok('DELETE', `${t}/routers/${name}`);
  await back(api, to, { tenant: 'acme' });
  assert.equal(await written(api), before);
  assert.deepEqual((await api.ok('GET', `${t}/routers/r1`)).activePeers, [there.id, r2.id]);
});

it('goes its way while others write, by another controller too', async () => {
  await using store = await openSqlite(':memory:');
  await using here = await openFurnishedApi({ store });
  await using there = await openTestApi({ store });
  await here.ok('POST', '/v1/tenants', { name: 'other' });
  for (const n of [1, 2, 3]) {
    await here.ok('POST', `${t}/networks`, { name: `n${n}` });
    await here.ok('POST', `${t}/subnets`, { name: `s${n}`, network: `n${n}`, cidr: `10.${n}.0.0/24` });
    for (const p of [1, 2]) await here.ok('POST', `${t}/ports`, { name: `p${n}-${p}`, network: `n${n}` });
  }
  await here.ok('POST', `${t}/routers`, { name: 'r1', subnets: ['s1', 's2', 's3'] });
  const to = here.world.revision;
  const before = await written(here);
  const kinds = ['routers', 'ports', 'subnets', 'networks'];
  for (const kind of kinds)
    for (const { id, name } of (await here.ok('GET', `${t}/${kind}`)).items)
      if (/^[nspr]\d/.test(name)) await here.ok('DELETE', `${t}/${kind}/${id}`);
  await there.world.reached(here.world.revision);
  const others = async () => {
    for (let n = 0; n < 20; n++) await there.ok('POST', '/v1/tenants/other/networks', { name: `x${n}` });
  };
  const [done] = await Promise.all([back(here, to, { tenant: 'acme' }), others()]);
  assert.equal(done.changes.length, 13);
  await here.ok('GET', '/v1/tenants/other/networks/x19');
  for (let n = 0; n < 20; n++) await here.ok('DELETE', `/v1/tenants/other/networks/x${n}`);
  assert.equal(await written(here), before);
  await assertNoLeak(store);
});

it('answers when the hosts concerned have applied it, if that is asked', async () => {
  await using api = await openFurnishedApi();
  const port = await api.ok('POST', `${t}/ports`, { name: 'p1', network: 'web', host: 'h1' });
  const to = api.world.revision;
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1400 });
  api.presence.arrive(port.host, { hello: {}, applied: 0n, ports: new Map() } as never);
  const body = { to: String(to) };
  await api.ok('POST', '/v1/rollback?waitMs=0', { ...body, dryRun: true });
  const late = await api.request('POST', '/v1/rollback?waitMs=0', body);
  assert.deepEqual([late.body.code, late.body.details.hosts], ['WAIT_TIMEOUT', ['h1']]);
  assert.equal((await api.ok('GET', `${t}/networks/web`)).mtuBytes, undefined, 'it is written all the same');
  await api.ok('POST', '/v1/rollback?waitMs=0', body);
});

it('refuses moments that it does not know', async () => {
  await using api = await openFurnishedApi();
  const ask = (to: string) => ['POST', '/v1/rollback', { to }] as const;
  await api.refused('REVISION_UNKNOWN', ...ask(String(api.world.revision + 1n)));
  for (const to of ['yesterday', '-1', '1e3', '2026-13-01T00:00:00Z', '9x']) await api.refused('INVALID', ...ask(to));
  await api.refused('INVALID', 'POST', '/v1/rollback', { tenant: 'acme' });
  await api.refused('INVALID', 'POST', '/v1/rollback', { to: '1', all: true });
  await api.store.compact(4n);
  const { oldest } = await api.refused('COMPACTED', ...ask('3'));
  assert.equal(oldest, '4');
  await api.refused('COMPACTED', ...ask('2020-01-01T00:00:00Z'));
});

const host = fc.constantFrom(...hosts);
const network = fc.constantFrom('web', 'db', 'ops');
const router = fc.constantFrom('r1', 'r2', 'r3');
const port = fc.constantFrom('p1', 'p2', 'p3', 'p4', 'p5');
const subnets = fc.uniqueArray(fc.constantFrom('v4', 'v6', 'db4', 'ops4', 's-web-1', 's-db-2', 's-ops-3'), {
  maxLength: 4,
});
const make = <M extends string>(name: M, fields: Omit<{ [F in keyof Edit]: fc.Arbitrary<Edit[F]> }, 'make'> = {}) =>
  fc.record({ make: fc.constant(name), ...fields }) as fc.Arbitrary<Edit>;
/** What users write, besides what hosts do: everything that it asks for can come back. */
const users: fc.Arbitrary<Edit> = fc.oneof(
  { weight: 5, arbitrary: make('port', { port, network, host: fc.option(host) }) },
  { weight: 2, arbitrary: make('bind', { port, host: fc.option(host) }) },
  { weight: 3, arbitrary: make('unport', { port }) },
  { weight: 2, arbitrary: make('segment', { port, network, host, n: fc.nat(2) }) },
  { weight: 4, arbitrary: make('behind', { port, parent: port, network, n: fc.nat(2) }) },
  { weight: 2, arbitrary: make('share', { network, n: fc.nat(5) }) },
  { weight: 2, arbitrary: make('hold', { port, n: fc.nat(5) }) },
  make('unshare', { n: fc.nat(5) }),
  { weight: 3, arbitrary: make('readdress', { port, n: fc.nat(3) }) },
  make('rename', { n: fc.nat(2) }),
  { weight: 2, arbitrary: make('publish', { port, n: fc.integer({ min: 1, max: 3 }) }) },
  make('nat', { network, n: fc.nat(2) }),
  { weight: 2, arbitrary: make('unnetwork', { network }) },
  make('mtu', { network, mtu: fc.integer({ min: 1280, max: 9000 }) }),
  { weight: 2, arbitrary: make('subnet', { network, n: fc.nat(5) }) },
  { weight: 2, arbitrary: make('unsubnet', { network, n: fc.nat(5) }) },
  { weight: 3, arbitrary: make('router', { router, subnets, n: fc.nat(2) }) },
  { weight: 3, arbitrary: make('join', { router, subnets, n: fc.nat(2) }) },
  { weight: 2, arbitrary: make('peer', { router, n: fc.nat(3) }) },
  make('unrouter', { router }),
);
it('after a day of random writes gives exports of the same bytes, from any point of it', async () => {
  let useful = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(users, { minLength: 20, maxLength: 60 }), fc.nat(), async (edits, pick) => {
      const { api, fakes } = await openWithHosts();
      await using _ = api;
      const points: { revision: bigint; text: string }[] = [];
      for (const edit of edits) {
        await applyEdit(api, fakes, edit);
        points.push({ revision: api.world.revision, text: await written(api) });
      }
      const { revision, text } = points[pick % points.length]!;
      const end = points.at(-1)!;
      const { changes } = await back(api, revision);
      if (changes.length > 3) useful++;
      assert.equal(await written(api), text);
      await assertNoLeak(api.store);
      for (const [name, fake] of fakes) {
        fake.drain();
        await turn();
        assertSame(api, name, fake, 'after the rollback');
      }
      assert.deepEqual((await back(api, revision)).changes, []);
      await back(api, end.revision);
      assert.equal(await written(api), end.text, 'and there is a way back from the way back');
    }),
    { numRuns: 40 },
  );
  assert.ok(useful > 10, `${useful} rollbacks changed more than three objects`);
});

it('with hosts at work it is refused with nothing written, or gives the same bytes', async () => {
  const outcomes = { done: 0, refused: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(anyEdit, { minLength: 10, maxLength: 50 }), fc.nat(), async (edits, pick) => {
      const { api, fakes } = await openWithHosts();
      await using _ = api;
      const points: { revision: bigint; text: string }[] = [];
      for (const edit of edits) {
        await applyEdit(api, fakes, edit);
        points.push({ revision: api.world.revision, text: await written(api) });
      }
      const { revision, text } = points[pick % points.length]!;
      const at = api.world.revision;
      const { status, body } = await api.request('POST', '/v1/rollback', { to: String(revision) });
      if (status === 200) {
        outcomes.done++;
        assert.equal(await written(api), text);
      } else {
        outcomes.refused++;
        assert.equal(body.code, 'ROLLBACK_REFUSED', JSON.stringify(body));
        assert.equal(api.world.revision, at);
      }
      await assertNoLeak(api.store);
    }),
    { numRuns: 40 },
  );
  assert.ok(outcomes.done > 5, JSON.stringify(outcomes));
});
