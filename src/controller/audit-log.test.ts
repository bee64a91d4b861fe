/** The audit log as the API tells it: who did what, who may read it, and what it bears. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { pino } from 'pino';
import { openLog } from '../listen/log.ts';
import type { AuditEnd, AuditLine, AuditRecord } from '../model/audit.ts';
import { PROTOCOL } from '../model/host-state.ts';
import { openSqlite } from '../store/sqlite.ts';
import { joinTokenText, parseJoinToken } from '../trust/join-token.ts';
import { makeRequest } from '../trust/request.ts';
import { newSecret } from '../trust/secret.ts';
import { anyEdit } from './any-edit-suite.ts';
import { floodBounds } from './audit-floods.ts';
import { openAuditRetention } from './audit-retention.ts';
import { Silence } from './silence.ts';
import { serveStream } from './stream.ts';
import { openFurnishedApi, openTestApi, type TestApi, type TestClient } from './test-api.ts';
import { applyEdit } from './test-edits.ts';
import { openWithHosts } from './test-hosts.ts';
import { linesOf } from './test-lines.ts';
import { hostOf, openTwoTenants, user, users } from './test-principals.ts';

const t = '/v1/tenants/acme';
const auditOf = async (client: TestClient, query = ''): Promise<AuditRecord[]> =>
  (await client.ok('GET', `/v1/audit?limit=1000&after=0&${query}`)).items;
const told = (records: readonly AuditRecord[]) => records.map(({ action, kind, name }) => `${action} ${kind} ${name}`);
/** Records that come while the work is done. */
async function during(api: TestApi, work: () => Promise<unknown>): Promise<AuditRecord[]> {
  const { last } = await api.store.audit.extent();
  await work();
  return (await auditOf(api)).filter(({ id }) => Number(id) > last);
}

it('says what was before and after, field by field, as history does', async () => {
  await using api = await openFurnishedApi();
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1400, labels: { tier: 'web' } });
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1300, labels: { tier: null } });
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1300 });
  await api.ok('DELETE', `${t}/subnets/v6`);
  const records = await auditOf(api, 'kind=network&object=web');
  const { items } = await api.ok('GET', `${t}/networks/web/history`);
  const shown = ({ revision, fields }: { revision?: string; fields?: unknown }) => ({ revision, fields });
  const none = records.pop();
  assert.deepEqual([none?.fields, none?.revision], [[], '9'], 'written, though nothing differs');
  assert.deepEqual(records.map(shown), items.toReversed().map(shown));
  assert.deepEqual(records[2]?.fields, [
    { field: 'labels.tier', before: 'web' },
    { field: 'mtuBytes', before: 1400, after: 1300 },
  ]);
  const [made, gone] = await auditOf(api, 'kind=subnet&object=v6');
  assert.deepEqual([made?.action, gone?.action, gone?.tenantName], ['create', 'delete', 'acme']);
  assert.ok(gone?.fields?.some(({ field, before }) => field === 'cidr' && before === 'fd00::/64'));
});

it('has a record of everything that goes with a write, of sets that only take something over, and of quotas', async () => {
  await using api = await openFurnishedApi();
  await api.ok('POST', `${t}/ports`, { name: 'p1', network: 'web', host: 'h1' });
  await api.ok('POST', `${t}/leases`, { network: 'web', host: 'h1', size: 1 });
  const gone = await during(api, () => api.ok('DELETE', '/v1/hosts/h1?gone=true'));
  assert.deepEqual(
    told(gone)
      .map((text) => text.replace(/lease .*/, 'lease'))
      .sort(),
    ['delete host h1', 'delete lease', 'update port p1'],
  );
  assert.equal(new Set(gone.map(({ revision }) => revision)).size, 1);
  const documents = [{ kind: 'network', tenant: 'acme', name: 'web' }];
  const [adopted, ...more] = await during(api, () => api.ok('POST', '/v1/apply', { documents, set: 'git' }));
  assert.deepEqual([adopted?.action, adopted?.fields, more.length], ['adopt', [{ field: 'set', after: 'git' }], 0]);
  const made = await during(api, () =>
    api.ok('POST', '/v1/apply', { documents: [{ kind: 'network', tenant: 'acme', name: 'new' }] }),
  );
  assert.deepEqual(told(made), ['create network new']);
  await api.ok('PATCH', `${t}/quota`, { limits: { ports: 5 } });
  await api.ok('PATCH', `${t}/quota`, { limits: { ports: null, networks: 3 } });
  const quota = (await auditOf(api, 'kind=quota')).map(({ name, fields }) => ({ name, fields }));
  assert.deepEqual(quota, [
    { name: 'acme', fields: [{ field: 'ports', after: 5 }] },
    {
      name: 'acme',
      fields: [
        { field: 'networks', after: 3 },
        { field: 'ports', before: 5 },
      ],
    },
  ]);
});

it('explains every revision of any edits, in their order, and nothing twice', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyEdit, { maxLength: 25 }), async (edits) => {
      const { api, fakes } = await openWithHosts();
      await using _ = api;
      for (const edit of edits) await applyEdit(api, fakes, edit);
      const records = (await auditOf(api)).filter(({ revision }) => revision !== undefined);
      const revisions = records.map(({ revision }) => Number(revision));
      assert.deepEqual(
        revisions,
        revisions.toSorted((a, b) => a - b),
      );
      assert.deepEqual(
        [...new Set(revisions)],
        Array.from({ length: Number(api.world.revision) }, (_, i) => i + 1),
      );
      const things = records.map(({ revision, kind, object, name }) => `${revision} ${kind} ${object ?? name}`);
      assert.equal(new Set(things).size, things.length);
    }),
    { numRuns: 15 },
  );
});

it('keeps parallel writes in the order of their revisions, each with its own request and principal', async () => {
  await using api = await openTwoTenants();
  const { last } = await api.store.audit.extent();
  const clients = [api.as(users.admin), api.as(users['tenant-editor']), api.as(hostOf(api, 'h1'))];
  const answers = await Promise.all(
    Array.from({ length: 60 }, async (_, i) => {
      const body = { name: `n${i}`, network: 'web' };
      return clients[i % 3]!.request('POST', `${t}/ports`, body, { 'x-request-id': `r${i}` });
    }),
  );
  const records = (await auditOf(api)).filter(({ id }) => Number(id) > last);
  assert.equal(records.length, 60);
  const revisions = records.map(({ revision }) => Number(revision));
  assert.deepEqual(
    revisions,
    revisions.toSorted((a, b) => a - b),
  );
  const names = ['user root', 'user ed', 'host h1'];
  for (const { requestId, name, who, revision } of records) {
    const i = Number(requestId!.slice(1));
    const { body } = answers[i]!;
    assert.deepEqual([name, `${who.kind} ${who.name}`, revision], [`n${i}`, names[i % 3], body.revision]);
  }
});

it('says of a host’s stream that it was the host, and of the controller’s own deeds that it was nobody else', async () => {
  await using api = await openFurnishedApi();
  class Socket extends EventEmitter {
    readonly OPEN = 1;
    readonly readyState = 1;
    readonly bufferedAmount = 0;
    readonly send = (_: string, sent?: () => void) => sent?.();
    readonly ping = () => undefined;
    readonly close = () => this.emit('close');
  }
  const log = pino({ level: 'silent' });
  const connect = (hello: object) => {
    const socket = new Socket();
    serveStream({ ...api, log }, socket as never, { principal: undefined, from: '198.18.0.1', route: '/v1/stream' });
    const about = { vtep: '198.18.0.1', mtuBytes: 1500, version: '0', kernel: '6' };
    socket.emit('message', JSON.stringify({ type: 'hello', protocol: PROTOCOL, name: 'h1', ...about, ...hello }));
    return socket;
  };
  const settled = async (what: RegExp): Promise<AuditRecord> => {
    // Nothing of it waits for anything but turns.
    for (let i = 0; i < 200; i++) {
      const found = (await auditOf(api, 'who=host:h1')).find((record) => what.test(JSON.stringify(record)));
      if (found) return found;
      await turn();
    }
    assert.fail(`no record of the host has ${what}`);
  };
  const first = connect({ mtuBytes: 1400 });
  const moved = await settled(/mtuBytes/);
  assert.deepEqual([moved.who, moved.from, moved.route], [{ kind: 'host', name: 'h1' }, '198.18.0.1', '/v1/stream']);
  first.emit('message', JSON.stringify({ type: 'host', addresses: ['203.0.113.7'], held: [] }));
  await settled(/203\.0\.113\.7/);
  connect({ vtep: '198.18.0.8' });
  const refused = await settled(/refused/);
  assert.deepEqual([refused.code, refused.kind, refused.name], ['HOST_MISMATCH', 'host', 'h1']);
  first.close();

  const silence = new Silence({ ...api, silenceMs: 10, log });
  await silence.look(0);
  await silence.look(100);
  const own = await auditOf(api, 'who=controller');
  assert.deepEqual(told(own), ['delete host h1', 'delete host h2']);
  assert.deepEqual([own[0]?.who, own[0]?.from, own[0]?.requestId], [{ kind: 'controller' }, undefined, undefined]);
});

it('finds records by everything that it is asked for, and pages both ways', async () => {
  await using api = await openTwoTenants();
  await api.request('POST', `${t}/networks`, { name: 'web' }, { 'x-request-id': 'twice' });
  await api.as(users['tenant-editor']).ok('PATCH', `${t}/networks/web`, { labels: { a: 'b' } });
  const count = async (query: string) => (await auditOf(api, query)).length;
  assert.deepEqual(told(await auditOf(api, 'request=twice')), ['refused network web']);
  assert.deepEqual(told(await auditOf(api, 'refused=true')), ['refused network web']);
  assert.deepEqual(told(await auditOf(api, 'who=ed')), ['update network web']);
  assert.deepEqual(await auditOf(api, 'who=user:ed'), await auditOf(api, 'who=ed'));
  assert.equal(await count('kind=network&object=web'), 4);
  assert.equal(await count('kind=network&object=web&tenant=globex'), 1);
  assert.equal(await count('until=2000-01-01T00:00:00Z'), 0);
  assert.equal(await count('since=2999-01-01T00:00:00Z'), 0);
  assert.equal(await count('since=1h'), await count(''));
  assert.equal(await count('who=nosuch'), 0);
  const all = await auditOf(api);
  const pages: AuditRecord[] = [];
  for (let before = ''; ; ) {
    const page = await api.ok('GET', `/v1/audit?limit=7${before}`);
    pages.push(...page.items);
    if (page.next === undefined) break;
    before = `&before=${page.next}`;
  }
  assert.deepEqual(pages.toReversed(), all, 'the newest first');
  assert.equal((await api.ok('GET', '/v1/audit?limit=1')).keptSince, all[0]!.at, 'nothing was before the first');
  await api.ok('DELETE', '/v1/tenants/it');
  assert.deepEqual(told(await auditOf(api, 'tenant=it')), ['create tenant it', 'delete tenant it'], 'one that is gone');
  for (const query of [
    ...[
      'colour=red',
      'since=yesterday',
      'until=x',
      'refused=maybe',
      'after=-1',
      'after=1e3',
      'before=9999999999999999999',
    ],
    ...['limit=0', 'limit=1001', 'after=1&before=2', 'follow=true&before=2', 'object=', `who=${'x'.repeat(300)}`],
  ])
    await api.refused('INVALID', 'GET', `/v1/audit?${query}`);
  await api.refused('NOT_FOUND', 'GET', '/v1/audit?tenant=nosuch');
});

it('A37: shows the administrators of a tenant what is of the tenant, and of others not who they are, nor where', async () => {
  await using api = await openTwoTenants();
  await api.ok('POST', '/v1/tenants/globex/grants', { name: 'gil', subject: 'user:gil', role: 'tenant-admin' });
  const gil = api.as(user('gil'));
  const headers = { 'x-request-id': 'secret-request' };
  await gil.request('POST', `${t}/networks`, { name: 'evil' }, headers);
  await gil.request('DELETE', `${t}/networks/web`, undefined, headers);
  await api.as(users.admin).request('PATCH', `${t}/networks/web`, { labels: { a: 'b' } }, headers);
  await api.as(users['tenant-editor']).ok('PATCH', `${t}/networks/web`, { labels: { a: 'c' } });
  await api.as(hostOf(api, 'h1')).ok('POST', `${t}/ports`, { name: 'by-host', network: 'web', host: 'h1' });
  const ada = api.as(users['tenant-admin']);
  const read = await auditOf(ada);
  assert.deepEqual(await auditOf(ada, 'tenant=acme'), read);
  const id = api.world.find('tenant', '-', 'acme')!.record.id;
  assert.deepEqual([...new Set(read.map(({ tenant }) => tenant))], [id]);
  const everything = await auditOf(api, 'tenant=acme');
  assert.deepEqual(
    read.map((r) => r.id),
    everything.map((r) => r.id),
    'all of its own',
  );
  const last = read.slice(-5).map(({ who, from, requestId }) => [who.kind, who.name, from, requestId !== undefined]);
  assert.deepEqual(last, [
    ['outsider', undefined, undefined, false],
    ['outsider', undefined, undefined, false],
    ['outsider', undefined, undefined, false],
    ['user', 'ed', '127.0.0.1', true],
    ['host', 'h1', undefined, true],
  ]);
  const text = JSON.stringify(read);
  for (const other of [
    'globex',
    'gil',
    'secret-request',
    '"root',
    '198.18.',
    api.world.find('tenant', '-', 'globex')!.record.id,
  ])
    assert.ok(!text.includes(other), other);
  // Nor can it be found out by asking.
  for (const query of ['who=gil', 'who=user:root', 'who=root', 'request=secret-request', 'kind=host', 'kind=token'])
    assert.deepEqual(await auditOf(ada, query), [], query);
  assert.deepEqual(told(await auditOf(ada, 'who=ed')), ['update network web']);
  await ada.refused('NOT_FOUND', 'GET', '/v1/audit?tenant=globex');
  for (const name of ['tenant-editor', 'viewer', 'operator', 'none'] as const)
    await api.as(users[name]).refused('FORBIDDEN', 'GET', '/v1/audit');
  await api.as(users.viewer).refused('FORBIDDEN', 'GET', '/v1/audit?tenant=acme');
  await api.as(hostOf(api, 'h1')).refused('FORBIDDEN', 'GET', '/v1/audit');
  await api.as(undefined).refused('UNAUTHENTICATED', 'GET', '/v1/audit');
  assert.equal((await auditOf(api.as(users.admin))).length > read.length, true);
});

it('follows what comes, of what was asked for and may be read, until that is over', async (test) => {
  test.mock.timers.enable({ apis: ['setInterval'] });
  await using api = await openTwoTenants();
  const { token } = await api.ok('POST', '/v1/tokens', { user: 'ada' });
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = api.app.server.address() as { port: number };
  const stop = new AbortController();
  const follow = async (query: string, headers = {}) => {
    const answer = await fetch(`http://127.0.0.1:${port}/v1/audit?follow=true&${query}`, {
      signal: stop.signal,
      headers,
    });
    assert.equal(answer.headers.get('content-type'), 'application/x-ndjson');
    return linesOf(answer.body!);
  };
  const next = async (lines: AsyncGenerator<AuditLine | AuditEnd>) => {
    const { value, done } = await lines.next();
    if (done) return 'end';
    if ('problem' in value) return value.problem.code;
    return 'action' in value ? `${value.action} ${value.tenantName}/${value.name}` : value;
  };
  const all = await follow('kind=network');
  const { last } = await api.store.audit.extent();
  const behind = await follow(`kind=network&after=${last - 3}&refused=true`);
  const adas = await follow('kind=network', { authorization: `Bearer ${token}` });
  const idle = await follow('kind=router', { authorization: `Bearer ${token}` });
  await api.ok('POST', '/v1/tenants/globex/networks', { name: 'a' });
  await api.ok('POST', `${t}/networks`, { name: 'b' });
  await api.request('POST', `${t}/networks`, { name: 'b' });
  assert.deepEqual(
    [await next(all), await next(all), await next(all)],
    ['create globex/a', 'create acme/b', 'refused acme/b'],
  );
  assert.deepEqual([await next(adas), await next(adas)], ['create acme/b', 'refused acme/b']);
  assert.equal(await next(behind), 'refused acme/b');
  await api.ok('DELETE', `${t}/grants/ada`);
  await api.ok('POST', `${t}/networks`, { name: 'c' });
  assert.deepEqual([await next(adas), await next(adas)], ['FORBIDDEN', 'end'], 'the grant is gone');
  test.mock.timers.tick(10_000);
  assert.deepEqual([await next(idle), await next(idle)], ['FORBIDDEN', 'end'], 'also where nothing comes');
  assert.equal(await next(all), 'create acme/c');
  stop.abort();
});

it('A37: has no secret: not of a guest’s user data, nor of tokens, nor of requests for certificates, nor of what was refused', async () => {
  await using api = await openTwoTenants();
  const secret = 'hunter2-hunter2';
  await api.ok('POST', `${t}/ports`, { name: 'p9', network: 'web', userData: `#cloud-config\npassword: ${secret}` });
  await api.ok('PATCH', `${t}/ports/p9`, { userData: `#cloud-config\npassword: ${secret}!` });
  await api.request('POST', `${t}/ports`, { name: 'p9', network: 'web', password: secret });
  await api.request('POST', `${t}/ports?token=${secret}`, { name: 'p9', network: 'web' });
  await api.request('POST', `${t}/ports`, { name: `${secret} ${secret}`, network: 'web' });
  await api.request('POST', '/v1/join', { token: `hdj_0123456789ab_${secret}`, csr: secret, name: 'x' });
  const { token } = await api.ok('POST', '/v1/tokens', { user: 'ann' });
  const host = await api.ok('POST', '/v1/host-tokens', {});
  await api.request('GET', '/v1/tenants', undefined, { authorization: `Bearer ${token}x` });
  await api.ok('POST', '/v1/ca/rotate');
  const text = JSON.stringify(await auditOf(api));
  const parts = [token, host.token].flatMap((each) => each.split('_').filter((part: string) => part.length > 20));
  for (const each of [secret, 'PRIVATE KEY', 'BEGIN', ...parts]) assert.ok(!text.includes(each), each);
  const [made, changed] = await auditOf(api, 'kind=port&object=p9&refused=false');
  for (const record of [made, changed])
    assert.deepEqual(
      record?.fields?.find(({ field }) => field === 'userData'),
      { field: 'userData', withheld: 'secret' },
    );
  const [hashed] = await auditOf(api, 'kind=token&who=local');
  assert.equal(hashed, undefined);
  const [ofToken] = (await auditOf(api, 'kind=token')).slice(-1);
  assert.ok(ofToken?.fields?.some(({ field, after }) => field === 'user' && after === 'ann'));
  assert.ok(ofToken?.fields?.some(({ field, withheld }) => field === 'hash' && withheld === 'secret'));
});

it('A37: has no secret of a token that was pasted into a path, a name or a label', async () => {
  const lines: string[] = [];
  const log = openLog('debug', { write: (line) => void lines.push(line) });
  await using api = await openTestApi({ log });
  const secret = 'Secret-'.repeat(7).slice(0, 43);
  const token = `hdt_0123456789abcdef_${secret}`;
  const answers = [
    await api.request('DELETE', `/v1/host-tokens/${token}`),
    await api.request('GET', `/v1/tenants/${token}`),
    await api.request('GET', `/v1/${token}`),
    await api.request('POST', '/v1/tenants', { name: token }),
    await api.request('POST', '/v1/tenants', { name: 'acme', labels: { a: token } }),
  ];
  assert.equal(answers.at(-1)?.status, 201);
  const problems = answers.slice(0, 4).map(({ body }) => JSON.stringify(body));
  const text = [...problems, ...lines, JSON.stringify(await auditOf(api))].join('\n');
  assert.match(text, /hdt_0123456789abcdef_…/);
  assert.ok(!text.includes(secret));
});

it('says that somebody joins by a token only if all of it was shown', async () => {
  await using api = await openTwoTenants();
  const { csr } = await makeRequest('h3');
  const { joinToken: token, joinTokenId } = api.made;
  const join = async (more: object) => {
    const body = { token, csr, name: 'h1', vtep: '198.18.0.3', ...more };
    const [record] = await during(api, () => api.as(undefined).request('POST', '/v1/join', body));
    return [record?.code, record?.who];
  };
  const guessed = joinTokenText({ ...parseJoinToken(token), secret: newSecret() });
  assert.deepEqual(await join({ token: guessed }), ['TOKEN_INVALID', { kind: 'nobody' }]);
  assert.deepEqual(await join({}), ['NAME_TAKEN', { kind: 'joiner', name: joinTokenId }]);
});

it('is bounded in each record, whatever is written', async () => {
  await using api = await openFurnishedApi();
  const labels = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`l${i}`, 'x'.repeat(250)]));
  await api.ok('PATCH', `${t}/networks/web`, { labels });
  const publishFrom = Array.from({ length: 64 }, (_, i) => `fd00:1111:2222:${1000 + i}::/64`);
  await api.ok('PATCH', `${t}/networks/web`, { publishFrom });
  const [wide, long] = (await auditOf(api, 'kind=network&object=web')).slice(1);
  assert.equal(wide?.fields?.length, 64);
  assert.ok(wide?.fields?.some(({ withheld }) => withheld === 'size'));
  assert.ok(JSON.stringify(wide).length < 16_000);
  assert.deepEqual(long?.fields, [{ field: 'publishFrom', withheld: 'size' }]);
});

it('records so many refusals of one source and counts the rest, and no flood pushes out what was written', async () => {
  let ms = 1_000_000;
  const now = () => new Date(ms);
  await using store = await openSqlite(':memory:', () => ms);
  await using api = await openTestApi({ store, now, auditKeep: { ms: 1e9, bytes: 400_000 } });
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  const { atOnce, perSecond } = floodBounds.source;
  const flood = async (count: number) => {
    for (let i = 0; i < count; i++) await api.request('POST', '/v1/tenants', { name: 'acme' });
  };
  const refused = () => auditOf(api, 'refused=true');
  await flood(atOnce + 50);
  assert.equal((await refused()).length, atOnce);
  await api.as(users.none).request('GET', '/v1/hosts?colour=red');
  await api.as(users.none).request('POST', '/v1/hosts', {});
  assert.equal((await refused()).length, atOnce + 1, 'others are recorded');
  ms += 10_000;
  await flood(50);
  const recovered = 10 * perSecond;
  assert.equal((await refused()).length, atOnce + 1 + recovered);
  await api.audit.look();
  const last = (await refused()).at(-1)!;
  const { action, count, from, who } = last;
  assert.deepEqual([action, count, from, who.kind], ['unrecorded', 100 - recovered, '127.0.0.1', 'local']);
  assert.deepEqual(
    [last.since, last.until].map((time) => Date.parse(time!)),
    [1_000_000, 1_010_000],
  );
  await api.audit.look();
  assert.equal((await refused()).at(-1)!.id, last.id, 'once');
  for (let i = 0; i < 20; i++) {
    ms += 100_000;
    await flood(200);
    await api.auditRetention.look(ms);
  }
  const { sorts } = await store.audit.extent();
  const sort = sorts.find(({ refused, tenant }) => refused && tenant === undefined)!;
  assert.ok(sort.bytes <= 50_000 && sort.forgotten.count > 1000);
  assert.equal(sorts.filter(({ forgotten }) => forgotten.count > 0).length, 1);
  const [first] = await auditOf(api);
  assert.deepEqual(told([first!]), ['create tenant acme']);
  const forgotten = await auditOf(api, 'who=controller&kind=audit');
  assert.equal(
    forgotten.reduce((sum, { count = 0 }) => sum + count, 0),
    sort.forgotten.count,
    'never silently',
  );
  const page = await api.ok('GET', '/v1/audit?limit=1');
  assert.equal(Date.parse(page.keptSince), sort.forgotten.atMs);
  assert.match((await api.request('GET', '/metrics')).body, /^heddle_audit_unrecorded_total [1-9]/m);
});

it('takes room from the tenant that has most: none pushes out another’s, nor the installation’s', async () => {
  await using api = await openFurnishedApi({ auditKeep: { ms: 1e12, bytes: 100_000 } });
  await api.ok('POST', '/v1/tenants', { name: 'loud' });
  await api.ok('POST', '/v1/tenants/loud/networks', { name: 'n' });
  const others = (await auditOf(api)).filter(({ tenantName }) => tenantName !== 'loud').map(({ id }) => id);
  for (let i = 0; i < 600; i++) await api.ok('PATCH', '/v1/tenants/loud/networks/n', { labels: { i: String(i) } });
  await api.auditRetention.look(Date.now());
  const left = await auditOf(api);
  const ids = new Set(left.map(({ id }) => id));
  for (const id of others) assert.ok(ids.has(id), `record ${id} of somebody else`);
  const loud = left.filter(({ tenantName, kind }) => tenantName === 'loud' && kind === 'network');
  assert.ok(loud.length < 300 && loud.length > 50, String(loud.length));
  assert.deepEqual(loud.at(-1)?.fields, [{ field: 'labels.i', before: '598', after: '599' }], 'its own oldest went');
  const keptSince = async (tenant: string) => (await api.ok('GET', `/v1/audit?limit=1&tenant=${tenant}`)).keptSince;
  assert.equal(await keptSince('acme'), left[0]?.at);
  assert.ok((await keptSince('loud')) <= loud[0]!.at);
  const { sorts } = await api.store.audit.extent();
  assert.ok(sorts.reduce((sum, { bytes }) => sum + bytes, 0) < 100_000);
});

it('forgets what is too old, and says so; history that is forgotten is a deed of the controller’s', async () => {
  await using api = await openFurnishedApi();
  const { audit } = api.store;
  const keep = { ms: 1000, bytes: 1e9 };
  const onFatal = (cause: unknown) => assert.fail(String(cause));
  await using retention = openAuditRetention({
    log: audit,
    keep,
    now: () => new Date(),
    tell: api.audit.auditForgotten,
    onFatal,
  });
  const before = (await auditOf(api)).length;
  await retention.look(Date.now());
  assert.equal((await auditOf(api)).length, before);
  await retention.look(Date.now() + 10_000);
  const left = await auditOf(api);
  assert.deepEqual(
    left.map(({ action, kind, name, tenantName, count }) => [action, kind, name, tenantName, count]),
    [
      ['forgotten', 'audit', 'writes', 'acme', before - 2],
      ['forgotten', 'audit', 'writes', undefined, 2],
    ],
  );
  for (let i = 0; i < 10; i++) await api.ok('PATCH', `${t}/networks/web`, { labels: { n: String(i) } });
  await api.retention.look(Date.now() + 31 * 86_400_000);
  const history = (await auditOf(api)).at(-1)!;
  assert.deepEqual([history.action, history.kind, history.who.kind], ['forgotten', 'history', 'controller']);
});

it('answers a refusal that cannot be recorded, and counts it; a write that cannot be is not done', async () => {
  await using store = await openSqlite(':memory:');
  let isFull = false;
  const full = () => {
    throw new Error('the disk is full');
  };
  const audit = new Proxy(store.audit, {
    get: (target, name: 'append') => {
      if (name === 'append' && isFull) return full;
      const value = target[name];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const broken = new Proxy(store, {
    get: (target, name: 'txn' | 'audit') => {
      if (name === 'audit') return audit;
      const value = target[name] as unknown as () => unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  await using api = await openTestApi({ store: broken });
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  isFull = true;
  assert.equal((await api.request('POST', '/v1/tenants', { name: 'acme' })).body.code, 'NAME_TAKEN');
  assert.match((await api.request('GET', '/metrics')).body, /^heddle_audit_failed_total 1$/m);
});

it('loses one refusal of which no record can be made, and none of those that wait with it', async () => {
  await using api = await openTwoTenants();
  const refuse = (name: string, about: () => object) =>
    api.audit.refused({ principal: { kind: 'local', name: 'root' }, from: 'unix' }, 'NAME_TAKEN', () => ({
      kind: 'port',
      name,
      ...about(),
    }));
  refuse('first', () => ({}));
  refuse('broken', () => assert.fail('nobody knows what it is about'));
  refuse('last', () => ({}));
  assert.deepEqual(told(await auditOf(api, 'refused=true')), ['refused port first', 'refused port last']);
  assert.match((await api.request('GET', '/metrics')).body, /^heddle_audit_failed_total 1$/m);
});

it('lets no answer wait for the record of a refusal, and loses none of them at its end', async () => {
  await using store = await openSqlite(':memory:');
  const slow = Promise.withResolvers<void>();
  const { append } = store.audit;
  store.audit.append = async (rows) => {
    await slow.promise;
    return append.call(store.audit, rows);
  };
  {
    await using api = await openTwoTenants({ store });
    const viewer = api.as(users.viewer);
    const answers = [];
    for (const tenant of ['globex', 'none']) answers.push(await viewer.request('GET', `/v1/tenants/${tenant}/ports`));
    answers.push(await viewer.request('POST', `${t}/networks`, { name: 'n' }));
    assert.deepEqual(
      answers.map(({ status }) => status),
      [404, 404, 403],
    );
    slow.resolve();
  }
  const { entries } = await store.audit.read({ refused: true }, { limit: 10, after: 0 });
  const codes = entries.map(({ record }) => (JSON.parse(record) as AuditRecord).code);
  assert.deepEqual(codes, ['NOT_FOUND', 'NOT_FOUND', 'FORBIDDEN']);
});
