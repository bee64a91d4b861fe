/** API tokens: who makes which, what they are good for, and when no more. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import { openLog } from '../listen/log.ts';
import { type Token, tokenLimits } from '../model/token.ts';
import { type Furnished, openTwoTenants, users } from './test-principals.ts';
import { isAlive, newToken, principalOf } from './tokens.ts';

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const path = '/v1/tokens';
/** A token of a user, made by root unless another one makes it. */
const make = async (api: Furnished, input: object, by = api.as(users.admin)) => by.ok('POST', path, input);
/** Requests that show a token. */
function showing(api: Furnished, token: string) {
  const request = (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: unknown) =>
    api.request(method, url, body, bearer(token));
  return {
    request,
    async code(method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, body?: unknown) {
      const answer = await request(method, url, body);
      return answer.status < 300 ? answer.status : (answer.body.code as string);
    },
  };
}

it('A29: a token is its user, with the groups that it was made with, until it ends', async () => {
  await using api = await openTwoTenants();
  const { token, ...made } = await make(api, { user: 'zoe', groups: ['dev'], description: 'CI' });
  assert.match(token, /^hdt_[0-9a-f]{16}_[A-Za-z0-9_-]{43}$/);
  assert.deepEqual([made.user, made.groups, made.scope, made.by], ['zoe', ['dev'], {}, 'user:root']);
  const ms = Date.parse(made.expiresAt) - Date.parse(made.createdAt);
  assert.equal(ms, tokenLimits.ttlSecondsDefault * 1000);
  const zoe = showing(api, token);
  assert.equal(await zoe.code('GET', '/v1/tenants/acme/ports'), 200);
  assert.equal(await zoe.code('POST', '/v1/tenants/acme/networks', { name: 'x' }), 'FORBIDDEN');
  assert.equal(await zoe.code('GET', '/v1/tenants/globex'), 'NOT_FOUND');
  // Rights are those of the moment, not of when it was made.
  await api.ok('POST', '/v1/tenants/globex/grants', { name: 'zoe', subject: 'user:zoe', role: 'viewer' });
  assert.equal(await zoe.code('GET', '/v1/tenants/globex'), 200);
});

it('A29: is kept as a digest, and no answer but the first has it', async () => {
  await using api = await openTwoTenants();
  const answer = await api.request('POST', path, { user: 'vic' });
  assert.equal(answer.headers['cache-control'], 'no-store');
  const secret = answer.body.token.slice(-43);
  const entries = JSON.stringify(await api.store.range('/'), (_, v) => (typeof v === 'bigint' ? String(v) : v));
  assert.ok(!entries.includes(secret));
  const { items } = await api.ok('GET', path);
  assert.ok(items.some(({ id }: { id: string }) => id === answer.body.id));
  assert.ok(!JSON.stringify(items).includes(secret) && !/hash/.test(JSON.stringify(items)));
});

it('A29: is in no log, whether it is made, shown or refused', async () => {
  const logged: string[] = [];
  const log = openLog('trace', { write: (line) => void logged.push(line) });
  await using api = await openTwoTenants({ log });
  const { token, id } = await make(api, { user: 'vic', groups: ['dev'] });
  const vic = showing(api, token);
  await vic.code('GET', '/v1/tenants/acme/ports');
  assert.equal(await vic.code('GET', '/v1/tenants/globex/ports'), 'NOT_FOUND');
  assert.equal(await vic.code('POST', '/v1/tenants', { name: 'x' }), 'FORBIDDEN');
  await api.ok('DELETE', `${path}/${id}`);
  assert.equal(await vic.code('GET', '/v1/tenants'), 'TOKEN_INVALID');
  assert.ok(logged.length > 2);
  assert.ok(!logged.join('').includes(token.slice(-43)));
});

it('A29: may less than its user, if it is made so', async () => {
  await using api = await openTwoTenants();
  await api.ok('POST', '/v1/tenants/globex/grants', { name: 'ed', subject: 'user:ed', role: 'tenant-editor' });
  const network = { name: 'x' };
  const reads = showing(api, (await make(api, { user: 'ed', scope: { readOnly: true } })).token);
  assert.equal(await reads.code('GET', '/v1/tenants/acme/networks'), 200);
  for (const [method, url, body] of [
    ['POST', '/v1/tenants/acme/networks', network],
    ['PATCH', '/v1/tenants/acme/networks/it', { labels: {} }],
    ['DELETE', '/v1/tenants/acme/networks/it', undefined],
    ['POST', '/v1/apply', { documents: [{ kind: 'network', tenant: 'acme', name: 'x' }] }],
    ['POST', '/v1/rollback', { to: '10', tenant: 'acme' }],
    ['POST', path, {}],
  ] as const)
    assert.equal(await reads.code(method, url, body), 'FORBIDDEN', `${method} ${url}`);
  assert.equal(await reads.code('POST', '/v1/rollback', { to: '10', tenant: 'acme', dryRun: true }), 200);

  const one = showing(api, (await make(api, { user: 'ed', scope: { tenants: ['globex'] } })).token);
  assert.equal(await one.code('GET', '/v1/tenants/acme'), 'NOT_FOUND');
  assert.equal(await one.code('POST', '/v1/tenants/globex/networks', network), 201);

  // Of who may all, in some tenants: all there, and nothing of the installation.
  const root = showing(api, (await make(api, { user: 'root', scope: { tenants: ['globex'] } })).token);
  assert.equal(await root.code('GET', '/v1/tenants/globex/grants'), 200);
  assert.equal(await root.code('GET', '/v1/tenants/acme'), 'NOT_FOUND');
  for (const [method, url, body] of [
    ['POST', '/v1/tenants', { name: 'x' }],
    ['DELETE', '/v1/tenants/globex', undefined],
    ['PATCH', '/v1/tenants/globex/quota', { limits: { ports: 1 } }],
    ['GET', '/v1/grants', undefined],
    ['GET', '/metrics', undefined],
    ['POST', '/v1/host-tokens', {}],
    ['DELETE', '/v1/hosts/it', undefined],
  ] as const)
    assert.equal(await root.code(method, url, body), 'FORBIDDEN', `${method} ${url}`);
});

it('says of its user’s roles those that it has, and of other tenants nothing', async () => {
  await using api = await openTwoTenants();
  await api.ok('POST', '/v1/tenants/globex/grants', { name: 'ed', subject: 'user:ed', role: 'viewer' });
  await api.ok('POST', '/v1/grants', { name: 'ed', subject: 'user:ed', role: 'operator' });
  const rolesOf = async (input: object) =>
    (await showing(api, (await make(api, input)).token).request('GET', '/v1/whoami')).body.roles;
  const [acme, globex] = [
    { role: 'tenant-editor', tenant: 'acme' },
    { role: 'viewer', tenant: 'globex' },
  ];
  const byTenant = (roles: object[]) => roles.map((role) => JSON.stringify(role)).sort();
  assert.deepEqual(byTenant(await rolesOf({ user: 'ed' })), byTenant([acme, globex, { role: 'operator' }]));
  assert.deepEqual(await rolesOf({ user: 'ed', scope: { tenants: ['globex'] } }), [globex]);
  assert.deepEqual(await rolesOf({ user: 'ed', scope: { tenants: ['it'] } }), []);
  assert.deepEqual(await rolesOf({ user: 'root', scope: { tenants: ['acme'] } }), [
    { role: 'tenant-admin', tenant: 'acme' },
  ]);
});

it('A29: makes no other that may more, or is good for longer', async () => {
  await using api = await openTwoTenants();
  const ed = api.as(users['tenant-editor']);
  await ed.refused('FORBIDDEN', 'POST', path, { user: 'root' });
  await ed.refused('FORBIDDEN', 'POST', path, { groups: ['dev'] });
  await ed.refused('NOT_FOUND', 'POST', path, { scope: { tenants: ['globex'] } });
  await api.as(users.operator).refused('FORBIDDEN', 'POST', path, { user: 'root' });
  const scoped = await make(api, { user: 'vic', groups: ['dev'], ttlSeconds: 3600, scope: { tenants: ['acme'] } });
  const vic = showing(api, scoped.token);
  const { body: child } = await vic.request('POST', path, {});
  assert.deepEqual([child.user, child.groups, child.scope], ['vic', ['dev'], scoped.scope]);
  assert.equal(child.expiresAt, scoped.expiresAt);
  assert.equal(await vic.code('POST', path, { ttlSeconds: 7200 }), 'INVALID');
  await api.ok('POST', path, { user: 'ed', ttlSeconds: tokenLimits.ttlSecondsMax });
  await api.refused('INVALID', 'POST', path, { user: 'ed', ttlSeconds: tokenLimits.ttlSecondsMax + 1 });
  await api.refused('INVALID', 'POST', path, {});
});

it('A29: outlives no login by a provider for more than a day, of admins neither', async () => {
  await using api = await openTwoTenants();
  const secondsOf = ({ createdAt, expiresAt }: Token) => (Date.parse(expiresAt) - Date.parse(createdAt)) / 1000;
  const day = tokenLimits.ttlSecondsOfLogin;
  assert.equal(day, 86_400);
  for (const role of ['tenant-editor', 'viewer', 'admin'] as const) {
    const login = api.as(users[role]);
    const own = await login.ok('POST', path, {});
    assert.equal(secondsOf(own), day, role);
    assert.equal(secondsOf(await login.ok('POST', path, { ttlSeconds: 3600 })), 3600);
    const refusal = await login.refused('INVALID', 'POST', path, { ttlSeconds: day + 1 });
    assert.match(String(refusal.problem), /of your own login is good for a day/);
    await login.refused('INVALID', 'POST', path, { user: own.user, ttlSeconds: day + 1 });
    if (role === 'admin') continue;
    // Nor by way of one that it has made.
    const chained = showing(api, own.token);
    assert.equal(await chained.code('POST', path, { ttlSeconds: day + 1 }), 'INVALID');
    assert.equal((await chained.request('POST', path, {})).body.expiresAt, own.expiresAt);
  }
  // For others an admin says it, as for programs.
  const programs = await api.as(users.admin).ok('POST', path, { user: 'ci', ttlSeconds: 30 * day });
  assert.equal(secondsOf(programs), 30 * day);
});

it('A29: is seen and deleted by its user and by who may all; of others’ nobody hears', async () => {
  await using api = await openTwoTenants();
  const [eds, vics] = [await make(api, { user: 'ed' }), await make(api, { user: 'vic', groups: ['dev'] })];
  const ids = async (as: ReturnType<Furnished['as']>) =>
    (await as.ok('GET', path)).items.map(({ id }: { id: string }) => id);
  const ed = api.as(users['tenant-editor']);
  assert.deepEqual(await ids(ed), [eds.id]);
  assert.deepEqual(await ids(api.as(users.viewer)), [vics.id]);
  assert.deepEqual(await ids(api.as(users.operator)), []);
  assert.deepEqual(await ids(api.as(users.admin)), [api.made.tokenId, eds.id, vics.id]);
  const other = await ed.refused('NOT_FOUND', 'DELETE', `${path}/${vics.id}`);
  const none = await ed.refused('NOT_FOUND', 'DELETE', `${path}/0123456789abcdef`);
  assert.deepEqual({ ...other, name: '' }, { ...none, name: '' });
  // One that may read alone ends itself, as who finds that it is known to others must.
  const { token, id } = await make(api, { user: 'ed', scope: { readOnly: true } });
  assert.equal(await showing(api, token).code('DELETE', `${path}/${eds.id}`), 'FORBIDDEN');
  assert.equal(await showing(api, token).code('DELETE', `${path}/${id}`), 204);
  assert.equal(await showing(api, token).code('GET', path), 'TOKEN_INVALID');
  await ed.ok('DELETE', `${path}/${eds.id}`);
  assert.equal(await showing(api, eds.token).code('GET', '/v1/tenants'), 'TOKEN_INVALID');
});

it('is deleted also by whoever has pasted all of it for its id, which nothing repeats', async () => {
  await using api = await openTwoTenants();
  const ed = api.as(users['tenant-editor']);
  const [eds, vics] = [await make(api, { user: 'ed' }), await make(api, { user: 'vic' })];
  await ed.ok('DELETE', `${path}/${eds.token}`);
  assert.equal(await showing(api, eds.token).code('GET', '/v1/tenants'), 'TOKEN_INVALID');
  const { joinToken, joinTokenId } = api.made;
  await api.ok('DELETE', `/v1/host-tokens/${joinToken}`);
  assert.ok(!JSON.stringify(await api.ok('GET', '/v1/host-tokens')).includes(joinTokenId));
  for (const text of [vics.token, `hdt_${vics.token.slice(21)}`, `hdt_${vics.token.slice(5)}`, joinToken]) {
    const answer = await ed.refused('NOT_FOUND', 'DELETE', `${path}/${text}`);
    assert.ok(!JSON.stringify(answer).includes(text.slice(-20)), text);
    await api.refused('NOT_FOUND', 'DELETE', `/v1/host-tokens/${text}`);
  }
});

it('A29: is refused if it is malformed, another’s, ended or gone, alike whether there was one', async () => {
  const clock = { ms: Date.now() };
  await using api = await openTwoTenants({ now: () => new Date(clock.ms) });
  const { token, id } = await make(api, { user: 'ed' });
  const detail = async (text: string) => {
    const { status, body, headers } = await api.request('GET', '/v1/tenants', undefined, { authorization: text });
    assert.deepEqual([status, headers['www-authenticate']], [401, 'Bearer'], text);
    return `${body.code} ${body.detail}`;
  };
  const secret = token.slice(-43);
  const known = await detail(`Bearer hdt_${id}_${'A'.repeat(43)}`);
  for (const text of [
    ...[`hdt_0123456789abcdef_${secret}`, `hdt_${id}_${secret}x`, `hdt_${id}_${secret.slice(1)}`, `hdt_${id}_`, 'hdt_'],
    ...[`hdt_${id.toUpperCase()}x_${secret}`, `hdt_${id}_${'A'.repeat(10_000)}`, `hdt___proto___${secret}`],
  ])
    assert.equal(await detail(`Bearer ${text}`), known, text.slice(0, 60));
  for (const text of ['Bearer', `Basic ${token}`, `Token ${token}`, token, `Bearer x ${token}`])
    assert.match(await detail(text), /^UNAUTHENTICATED/, text);
  // Whoever has the secret may know why it is no good.
  const old = await make(api, { user: 'ed', ttlSeconds: 60 });
  clock.ms += 60_000;
  assert.match(await detail(`Bearer ${old.token}`), /^TOKEN_INVALID .* it ended at /);
  for (const by of [users['tenant-editor'], users.admin]) {
    const { items } = await api.as(by).ok('GET', path);
    const eds = items.filter((each: Token) => each.user === 'ed').map((each: Token) => each.id);
    assert.deepEqual(eds, [id], 'one that has ended is in no list');
  }
  // The next one takes it away a month later, whosever it is.
  clock.ms += 31 * 86_400_000;
  await make(api, { user: 'vic' });
  assert.equal(await detail(`Bearer ${old.token}`), known);
});

it('stays for a month when it has ended, but not more of one user than may be good at a time', async () => {
  const clock = { ms: Date.now() };
  await using api = await openTwoTenants({ now: () => new Date(clock.ms) });
  for (let i = 0; i < 3 * tokenLimits.perUser; i++) {
    clock.ms += 1_000;
    await make(api, { user: 'ed', ttlSeconds: 60 });
  }
  const { length } = (await api.store.range('/trust/token/')).entries;
  assert.ok(length > tokenLimits.perUser && length <= tokenLimits.perUser + 61, String(length));
});

it('is one of so many that a user has', async () => {
  await using api = await openTwoTenants();
  for (let i = 0; i < tokenLimits.perUser; i++) await make(api, { user: 'ed', ttlSeconds: 60 });
  await api.refused('TOKEN_LIMIT', 'POST', path, { user: 'ed' });
  await make(api, { user: 'vic' });
});

it('A29: ends at its time, to the millisecond, and is told apart by every bit of it', () => {
  const [before, at] = [Date.parse('2026-11-22T00:00:00Z') - 1, Date.parse('2026-11-22T00:00:00Z')].map(
    (ms) => new Date(ms),
  ) as [Date, Date];
  const fields = { user: 'a', groups: [], description: '', by: '', createdAt: '', scope: {} };
  const { record, text } = newToken({ ...fields, expiresAt: at.toISOString() }, randomBytes);
  const world = { trust: { tokens: new Map([[record.id, { record, revision: 1n }]]) } } as never;
  const principal = principalOf(world, text, before);
  assert.throws(() => principalOf(world, text, at), { code: 'TOKEN_INVALID' });
  assert.ok(isAlive(world, principal, before));
  assert.ok(!isAlive(world, principal, at));
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  for (let i = text.length - 43; i < text.length; i++)
    for (const letter of letters) {
      const other = text.slice(0, i) + letter + text.slice(i + 1);
      if (other === text) continue;
      assert.throws(() => principalOf(world, other, before), { code: 'TOKEN_INVALID' });
    }
});
