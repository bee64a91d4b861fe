/** Sets of documents: what they become, what they leave alone, and how they are refused. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { compileHost } from '../compile/compile-host.ts';
import type { ApplyResult } from '../model/apply.ts';
import type { DocumentProblem } from '../model/document-problem.ts';
import { openFurnishedApi, openTestApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';
import { assertSame, openWithHosts, sorted } from './test-hosts.ts';
import { World } from './world.ts';

type Doc = Record<string, unknown>;
const apply = (api: TestApi, documents: Doc[], options: Doc = {}): Promise<ApplyResult> =>
  api.ok('POST', '/v1/apply', { documents, ...options });
const refused = async (api: TestApi, documents: unknown[], options: Doc = {}): Promise<DocumentProblem[]> =>
  (await api.refused('DOCUMENTS_REFUSED', 'POST', '/v1/apply', { documents, ...options }))
    .problems as DocumentProblem[];
const get = (api: TestApi, path: string) => api.ok('GET', `/v1/tenants/acme/${path}`);
const actions = ({ changes }: ApplyResult): string[] =>
  changes.filter(({ action }) => action !== 'unchanged').map((c) => `${c.action} ${c.kind} ${c.name}`);

const acme = { kind: 'tenant', name: 'acme' };
const web = { kind: 'network', tenant: 'acme', name: 'web' };
const v4 = { kind: 'subnet', tenant: 'acme', name: 'v4', network: 'web', cidr: '10.0.0.0/24' };
const db = { kind: 'network', tenant: 'acme', name: 'db' };
const db4 = { kind: 'subnet', tenant: 'acme', name: 'db4', network: 'db', cidr: '10.1.0.0/24' };
const router = { kind: 'router', tenant: 'acme', name: 'r1', subnets: ['v4', 'db4'] };
const port = (name: string, more: Doc = {}) => ({ kind: 'port', tenant: 'acme', name, network: 'web', ...more });

it('makes a set in whatever order its documents come, and a second run writes nothing', async () => {
  const vip = { kind: 'address', tenant: 'acme', name: 'vip', network: 'web', address: '10.0.0.3', ports: ['p1'] };
  const documents = [router, vip, port('any'), port('p1', { addresses: ['10.0.0.2'] }), db4, v4, web, db, acme];
  for (const order of [documents, documents.toReversed()]) {
    await using api = await openTestApi();
    const made = await apply(api, order);
    assert.deepEqual(
      made.changes.map(({ action, name }) => `${action} ${name}`),
      ['acme', 'db', 'web', 'db4', 'v4', 'vip', 'p1', 'any', 'r1'].map((name) => `create ${name}`),
    );
    // Who asks for an address has it, though others came first.
    assert.deepEqual((await get(api, 'ports/p1')).addresses, ['10.0.0.2']);
    assert.deepEqual((await get(api, 'ports/any')).addresses, ['10.0.0.4']);
    const { revision } = api.world;
    const again = await apply(api, order);
    assert.deepEqual(actions(again), []);
    assert.equal(api.world.revision, revision, 'nothing was written');
    assert.equal((await api.store.range('/')).revision, revision);
    await assertNoLeak(api.store);
  }
});

it('leaves alone what its documents never said, and takes back what they no longer say', async () => {
  await using api = await openTestApi();
  await apply(api, [acme, { ...web, mtuBytes: 1400, sourceNat: true, labels: { tier: 'web', team: 'a' } }, v4]);
  const vni = (await get(api, 'networks/web')).vni;
  await api.ok('PATCH', '/v1/tenants/acme/networks/web', { mssClamp: true, labels: { seen: 'yes' } });
  const changed = await apply(api, [acme, { ...web, sourceNat: true, labels: { tier: 'db' } }, v4]);
  const network = await get(api, 'networks/web');
  assert.equal(network.vni, vni);
  assert.equal(network.mtuBytes, undefined, 'no longer said');
  assert.equal(network.sourceNat, true);
  assert.equal(network.mssClamp, true, 'set by another, never said');
  assert.deepEqual(network.labels, { tier: 'db', seen: 'yes' });
  assert.deepEqual(changed.changes.find(({ name }) => name === 'web')?.fields, [
    { field: 'labels.tier', before: 'web', after: 'db' },
    { field: 'labels.team', before: 'a' },
    { field: 'mtuBytes', before: 1400 },
  ]);
  // What another one writes of what is said is written back.
  await api.ok('PATCH', '/v1/tenants/acme/networks/web', { sourceNat: false });
  assert.deepEqual(actions(await apply(api, [{ ...web, sourceNat: true, labels: { tier: 'db' } }])), [
    'update network web',
  ]);
  // What was given stays, said or not.
  await apply(api, [port('p1', { addresses: ['10.0.0.9'] })]);
  assert.deepEqual(actions(await apply(api, [port('p1')])), []);
  assert.deepEqual((await get(api, 'ports/p1')).addresses, ['10.0.0.9']);
});

it('says of which object each change is, if it was there before', async () => {
  await using api = await openTestApi();
  await apply(api, [acme, web, db], { set: 's' });
  const idOf = async (name: string) => (await get(api, `networks/${name}`)).id;
  const ids = { web: await idOf('web'), db: await idOf('db') };
  const { changes } = await apply(api, [{ ...web, mtuBytes: 1400 }, v4, acme], { set: 's', prune: true });
  assert.deepEqual(
    changes.map(({ action, id, name }) => [action, name, id]),
    [
      ['unchanged', 'acme', (await api.ok('GET', '/v1/tenants/acme')).id],
      ['update', 'web', ids.web],
      ['create', 'v4', undefined],
      ['delete', 'db', ids.db],
    ],
  );
});

it('adopts what is there, and writes what cannot change in another way without minding', async () => {
  await using api = await openFurnishedApi();
  const v6 = { kind: 'subnet', tenant: 'acme', name: 'v6', network: 'web', cidr: 'FD00:0::/64', gateway: 'fd00::0001' };
  assert.deepEqual(actions(await apply(api, [web, v6])), ['adopt network web', 'adopt subnet v6']);
  const [problem, ...more] = await refused(api, [web, { ...v6, cidr: 'fd01::/64' }]);
  assert.deepEqual(more, []);
  assert.deepEqual(
    [problem?.document, problem?.object, problem?.field, problem?.code],
    [2, 'subnet acme/v6', 'cidr', 'IMMUTABLE'],
  );
});

it('tells every refusal with its document, and writes nothing of the rest', async () => {
  await using api = await openTestApi();
  const problems = await refused(api, [
    acme,
    web,
    { ...v4, cidr: '10.0.0.0/33' },
    port('p1'),
    port('p2', { addresses: ['192.0.2.1'] }),
    { ...db, mtuBytes: 'large' },
    { ...db4, network: 'bd' },
  ]);
  assert.deepEqual(
    problems.map(({ document, field, code }) => [document, field, code]),
    [
      [3, 'cidr', 'PREFIX_INVALID'],
      [5, 'addresses', 'ADDRESS_OUTSIDE'],
      [6, 'mtuBytes', 'INVALID'],
      [7, 'network', 'NOT_FOUND'],
    ],
  );
  assert.match(problems[3]!.problem, /there is no network bd: add a document for it/);
  assert.deepEqual(await refused(api, [{ kind: 'network', name: 'web' }]), [
    {
      document: 1,
      object: 'network web',
      code: 'INVALID',
      problem: 'tenant: is required: whose network it is',
      field: 'tenant',
    },
  ]);
  for (const [documents, code] of [
    [[{ kind: 'pod', name: 'x' }], 'INVALID'],
    [['text'], 'INVALID'],
    [[null], 'INVALID'],
    [[acme, acme], 'INVALID'],
    [[{ ...acme, tenant: 'acme' }], 'INVALID'],
    [[{ ...acme, colour: 'red' }], 'INVALID'],
    [[{ ...acme, name: 'a b' }], 'NAME_INVALID'],
  ] as const)
    assert.equal((await refused(api, [...documents]))[0]?.code, code, JSON.stringify(documents));
});

it('has limits, and takes no key that would poison a prototype', async () => {
  await using api = await openTestApi();
  await api.refused('TOO_LARGE', 'POST', '/v1/apply', { documents: [{ ...acme, labels: { a: 'x'.repeat(9 << 20) } }] });
  await api.refused('INVALID', 'POST', '/v1/apply', { documents: Array(5001).fill(acme) });
  await api.refused('INVALID', 'POST', '/v1/apply', { documents: [acme], sets: 'a' });
  await api.refused('INVALID', 'POST', '/v1/apply', { documents: [acme], prune: true });
  await api.refused('INVALID', 'POST', '/v1/apply?waitMS=1', { documents: [acme] });
  await api.refused('BAD_REQUEST', 'POST', '/v1/apply', '{"documents":[{"__proto__":{"set":"x"}}]}');
  await api.refused('BAD_REQUEST', 'POST', '/v1/apply', '{"documents":[{"constructor":{"prototype":{"set":"x"}}}]}');
  for (const field of ['toString', 'hasOwnProperty', 'valueOf'])
    assert.equal((await refused(api, [{ ...acme, [field]: 1 }]))[0]?.problem, `${field}: a tenant has no such field`);
  assert.equal(Object.hasOwn(Object.prototype, 'set'), false);
});

it('prunes what the same set had, and nothing else', async () => {
  await using api = await openTestApi();
  const all = [acme, web, v4, db, db4, router, port('p1'), port('p2', { labels: { a: 'b' } })];
  await apply(api, all, { set: 'web' });
  await apply(api, [port('p3')], { set: 'other' });
  await api.ok('POST', '/v1/tenants/acme/ports', { name: 'p4', network: 'web' });
  const kept = [acme, web, v4, port('p2')];
  assert.deepEqual(actions(await apply(api, kept, { set: 'web' })), ['update port p2'], 'without --prune nothing goes');
  await apply(api, all, { set: 'web' });
  const dry = await apply(api, kept, { set: 'web', prune: true, dryRun: true });
  const { revision } = api.world;
  const pruned = await apply(api, kept, { set: 'web', prune: true });
  assert.deepEqual(actions(pruned), [
    'update port p2',
    'delete router r1',
    'delete port p1',
    'delete subnet db4',
    'delete network db',
  ]);
  assert.deepEqual(dry.changes, pruned.changes);
  assert.ok(api.world.revision > revision);
  const names = (await get(api, 'ports')).items.map(({ name }: { name: string }) => name);
  assert.deepEqual(names, ['p2', 'p3', 'p4']);
  // What others use stays, and so does all the rest.
  const [problem] = await refused(api, [acme], { set: 'web', prune: true });
  assert.match(problem!.problem, /is used by/);
  assert.equal(problem!.document, undefined);
  await assertNoLeak(api.store);
});

it('prunes of one tenant alone, if one is named, and never all there is', async () => {
  await using api = await openTestApi();
  const globex = { kind: 'tenant', name: 'globex' };
  const its = { kind: 'network', tenant: 'globex', name: 'web' };
  await apply(api, [acme, globex]);
  await apply(api, [web, db], { set: 'network' });
  await apply(api, [its], { set: 'network' });
  const pruned = await apply(api, [web], { set: 'network', prune: true, tenant: 'acme' });
  assert.deepEqual(actions(pruned), ['delete network db']);
  assert.deepEqual(actions(await apply(api, [web], { set: 'network', prune: true, tenant: 'nobody' })), []);
  for (const more of [{ set: 'network', prune: true }, { dryRun: true }, { plan: true }, {}])
    await api.refused('INVALID', 'POST', '/v1/apply', { documents: [], ...more });
  assert.deepEqual(actions(await apply(api, [web], { set: 'network', prune: true })), ['delete network web']);
});

it('makes room by what it prunes', async () => {
  await using api = await openTestApi();
  await apply(api, [acme, web, v4, port('old', { addresses: ['10.0.0.7'] })], { set: 's' });
  const renamed = { ...v4, name: 'four' };
  await apply(api, [acme, web, renamed], { set: 's', prune: true });
  await apply(api, [acme, web, renamed, port('new')], { set: 's' });
  assert.deepEqual(
    (await get(api, 'subnets')).items.map(({ name }: { name: string }) => name),
    ['four'],
  );
  await apply(api, [acme, web, renamed, port('newer', { addresses: ['10.0.0.2'] })], { set: 's', prune: true });
  assert.deepEqual((await get(api, 'ports/newer')).addresses, ['10.0.0.2']);
  await assertNoLeak(api.store);
});

it('leaves what belongs to another set to it, unless it is to be taken over', async () => {
  await using api = await openTestApi();
  await apply(api, [acme, web], { set: 'a' });
  const [problem] = await refused(api, [web], { set: 'b' });
  assert.match(problem!.problem, /belongs to set a, not b.*--take/);
  assert.deepEqual(actions(await apply(api, [web], { set: 'b', take: true })), ['adopt network web']);
  assert.deepEqual(actions(await apply(api, [acme], { set: 'a', prune: true })), []);
});

it('connects routers that name each other, of two tenants too', async () => {
  await using api = await openTestApi();
  const other = { kind: 'tenant', name: 'globex' };
  const net = { ...web, tenant: 'globex' };
  const sub = { ...v4, tenant: 'globex', cidr: '10.9.0.0/24' };
  const documents = [
    ...[acme, web, v4, other, net, sub],
    { ...router, subnets: ['v4'], peers: ['globex/r1'] },
    { ...router, tenant: 'globex', subnets: ['v4'], peers: ['acme/r1'] },
  ];
  const made = await apply(api, documents);
  assert.deepEqual(made.changes.at(-1)?.fields.find(({ field }) => field === 'peers')?.after, ['acme/r1']);
  assert.equal((await get(api, 'routers/r1')).activePeers.length, 1);
  const { revision } = api.world;
  await apply(api, documents);
  assert.equal(api.world.revision, revision);
  const [problem] = await refused(api, [{ ...router, name: 'r2', subnets: [], peers: ['globex/r7'] }]);
  assert.match(problem!.problem, /there is no router globex\/r7/);
  assert.deepEqual(actions(await apply(api, [{ ...router, subnets: ['v4'] }])), ['update router r1']);
  assert.deepEqual((await get(api, 'routers/r1')).peers, []);
});

it('leaves to an agent that is connected what it says itself, and waits for it', async () => {
  await using api = await openFurnishedApi();
  const h1 = api.world.find('host', '-', 'h1')!.record.id;
  const host = { kind: 'host', name: 'h1', vtep: '198.18.0.1', labels: { rack: '1' } };
  await apply(api, [host], { set: 's' });
  api.presence.arrive(h1, { hello: {}, applied: 0n, ports: new Map() } as never);
  assert.equal((await refused(api, [{ ...host, vtep: '198.18.0.9' }], { set: 's' }))[0]?.code, 'HOST_ONLINE');
  assert.equal((await refused(api, [acme], { set: 's', prune: true }))[0]?.code, 'HOST_ONLINE');
  await apply(api, [{ ...host, labels: { rack: '2' } }], { set: 's' });
  const late = await api.request('POST', '/v1/apply?waitMs=0', { documents: [port('p1', { host: 'h1' })] });
  assert.deepEqual([late.body.code, late.body.details.hosts], ['WAIT_TIMEOUT', ['h1']]);
  assert.equal((await get(api, 'ports/p1')).host, h1, 'it is written all the same');
  await api.ok('POST', '/v1/apply?waitMs=0', { documents: [port('p1', { host: 'h1' })] });
});

it('says what each host would change, and that is what it then gets', async () => {
  const { api, fakes } = await openWithHosts();
  await using _ = api;
  await api.ok('POST', '/v1/tenants/acme/ports', { name: 'w1', network: 'web', host: 'h1' });
  await turn();
  const documents = [
    port('w2', { host: 'h2' }),
    { ...web, mtuBytes: 1400 },
    { kind: 'router', tenant: 'acme', name: 'r1', subnets: ['v4', 'db4'] },
  ];
  const before = new Map([...fakes].map(([name, fake]) => [name, new Map(fake.state)]));
  const { revision } = api.world;
  const planned = await apply(api, documents, { plan: true });
  assert.equal(api.world.revision, revision, 'it wrote nothing');
  await apply(api, documents);
  await turn();
  for (const [name, fake] of fakes) {
    assertSame(api, name, fake, 'after the set');
    const was = before.get(name)!;
    const told = [...new Set([...fake.state.keys(), ...was.keys()])]
      .filter((key) => JSON.stringify(without(fake.state.get(key))) !== JSON.stringify(without(was.get(key))))
      .map((key) => `${!was.has(key) ? 'create' : fake.state.has(key) ? 'update' : 'delete'} ${key.split('/')[0]}`);
    const plan = planned.hosts?.find(({ host }) => host === name)?.items ?? [];
    assert.deepEqual(plan.map(({ action, kind }) => `${action} ${kind}`).sort(), told.sort(), name);
  }
  assert.deepEqual(planned.hosts?.find(({ host }) => host === 'h1')?.items, [
    { action: 'create', kind: 'network', name: 'db' },
    { action: 'update', kind: 'network', name: 'web' },
    { action: 'create', kind: 'peer', name: 'h2' },
    { action: 'create', kind: 'port', name: 'w2' },
    { action: 'create', kind: 'router', name: 'r1' },
  ]);
});
const without = (item: object | undefined) => item && { ...item, revision: undefined };

it('writes to the end when others write in between, and a thousand documents are a few revisions', async () => {
  await using api = await openTestApi();
  await apply(api, [acme, web, { ...v4, cidr: '10.0.0.0/20' }]);
  const { revision } = api.world;
  const documents = Array.from({ length: 1000 }, (_, i) => port(`p${i}`));
  const others = Array.from({ length: 20 }, (_, i) =>
    api.ok('POST', '/v1/tenants/acme/ports', { name: `o${i}`, network: 'web' }),
  );
  const [made] = await Promise.all([apply(api, documents), ...others]);
  assert.equal(actions(made).length, 1000);
  assert.equal(api.world.port.size, 1020);
  assert.ok(api.world.revision - revision < 40n, `${api.world.revision - revision} revisions`);
  assert.deepEqual(actions(await apply(api, documents)), []);
  await assertNoLeak(api.store);
});

it('keeps quotas, and tells which document was too much', async () => {
  await using api = await openTestApi();
  await apply(api, [acme, web, v4]);
  await api.ok('PATCH', '/v1/tenants/acme/quota', { limits: { ports: 2 } });
  const [problem, ...more] = await refused(api, [port('a'), port('b'), port('c')]);
  assert.deepEqual([problem?.code, problem?.object, more.length], ['QUOTA_EXCEEDED', 'port acme/c', 0]);
  await apply(api, [port('a'), port('b')], { set: 's' });
  // One goes and one comes.
  await apply(api, [port('a'), port('c')], { set: 's', prune: true });
  await assertNoLeak(api.store);
});

it('leaves every host at what a compilation from scratch gives, whatever set follows on whatever other one', async () => {
  const { api, fakes } = await openWithHosts();
  await using _ = api;
  const trunk = port('t', { host: 'h1' });
  const db4 = { kind: 'subnet', tenant: 'acme', name: 'db4', network: 'db', cidr: '10.2.0.0/24' };
  const on = (network: string, name: string, host?: string) => ({ ...port(name, host ? { host } : {}), network });
  const nets = [web, v4, db, db4];
  const second = { ...router, name: 'r2' };
  const sets: Doc[][] = [
    [...nets, router, on('web', 'a', 'h1'), on('db', 'b', 'h2')],
    [...nets, second, on('web', 'a', 'h1')],
    [web, v4, trunk, port('u', { behind: 't', vlan: 5 }), on('web', 'c', 'h3')],
    [...nets, { ...router, subnets: ['db4'] }, { ...second, subnets: ['v4'] }, on('web', 'd', 'h2')],
    [...nets, { ...router, subnets: ['v4'] }, { ...second, subnets: ['db4'] }, on('db', 'e', 'h1'), on('web', 'f')],
    [web, v4, { kind: 'address', tenant: 'acme', name: 'vip', network: 'web', ports: ['g'] }, on('web', 'g', 'h3')],
    [web, v4],
  ];
  for (const from of sets.keys())
    for (const to of sets.keys()) {
      for (const at of [from, to]) {
        const answer = await api.request('POST', '/v1/apply', {
          documents: sets[at],
          set: 's',
          prune: true,
          take: true,
        });
        assert.equal(answer.status, 200, `from ${from} to ${to}: ${JSON.stringify(answer.body)}`);
        await turn();
        for (const [name, fake] of fakes) assertSame(api, name, fake, `from ${from} to ${to}, at ${at}`);
      }
      await assertNoLeak(api.store);
    }
  const fresh = new World();
  await fresh.load(api.store);
  for (const id of api.world.host.keys())
    assert.deepEqual(sorted(compileHost(api.world, id)), sorted(compileHost(fresh, id)));
  assert.deepEqual(fresh.applied, api.world.applied);
});
