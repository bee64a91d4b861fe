/** What hosts refuse by themselves, in the audit log: their word, in their name, and no more of it than of any other refusal. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type HostRefusal, refusalLimits } from '../model/refusals.ts';
import { floodBounds } from './audit-floods.ts';
import { BURST_MS } from './rate-limit.ts';
import { tellingRates } from './refusal-routes.ts';
import { during } from './test-audit.ts';
import { hostOf, openTwoTenants, users } from './test-principals.ts';

const path = '/v1/hosts/h1/refusals';
const said = { who: 'bob', asked: 'GET /v1.41/networks/office', why: 'there is no network of yours called office' };
const one = (more: Partial<HostRefusal> = {}): HostRefusal => ({
  ...{ at: '2026-01-31T08:00:00.000Z', ...said, code: 'ENGINE_FORBIDDEN' },
  ...more,
});

it('are recorded as the host’s own refusals, of no tenant, with what it says beside them', async () => {
  await using api = await openTwoTenants();
  const h1 = api.as(hostOf(api, 'h1'));
  const items = [one(), one({ who: 'user 1000', code: 'FORBIDDEN' })];
  const records = await during(api, () => h1.ok('POST', path, { items }));
  const object = api.world.find('host', '-', 'h1')!.record.id;
  assert.deepEqual(
    records.map(({ id: _, at: __, requestId: ___, ...rest }) => rest),
    items.map(({ code, ...told }) => ({
      ...{ action: 'refused', who: { kind: 'host', name: 'h1' }, from: '127.0.0.1', method: 'POST' },
      ...{ route: '/v1/hosts/{host}/refusals', kind: 'host', object, name: 'h1', code, told },
    })),
  );
  const found = async (query: string) => (await api.ok('GET', `/v1/audit?after=0&${query}`)).items;
  for (const query of ['who=h1', 'who=host:h1&refused=true', 'kind=host&object=h1&refused=true'])
    assert.deepEqual((await found(query)).slice(-2), records, query);
  // By its word nobody has done anything.
  for (const query of ['who=bob', 'who=user:bob', 'object=office', 'refused=false&who=h1'])
    assert.deepEqual(await found(query), [], query);
  const tenants = await api.as(users['tenant-admin']).ok('GET', '/v1/audit?after=0');
  assert.doesNotMatch(JSON.stringify(tenants), /office/);
});

it('are told by the host alone, and by root who speaks for it', async () => {
  await using api = await openTwoTenants();
  const body = { items: [one()] };
  for (const name of ['admin', 'operator', 'tenant-admin', 'none'] as const)
    await api.as(users[name]).refused('FORBIDDEN', 'POST', path, body);
  await api.as(hostOf(api, 'h2')).refused('FORBIDDEN', 'POST', path, body);
  await api.as(undefined).refused('UNAUTHENTICATED', 'POST', path, body);
  await api.refused('NOT_FOUND', 'POST', '/v1/hosts/none/refusals', body);
  const [record, ...more] = await during(api, () => api.ok('POST', path, body));
  assert.deepEqual([record?.who, record?.told?.who, more.length], [{ kind: 'host', name: 'h1' }, 'bob', 0]);
});

it('A27: have words that are seen, of some length, and nothing else', async () => {
  await using api = await openTwoTenants();
  // By root, who may tell as often as it likes.
  const refused = (body: unknown) => api.refused('INVALID', 'POST', path, body);
  const { items: most, whoChars, askedChars, whyChars, more } = refusalLimits;
  for (const odd of ['', 'a\nb', 'a\u001b[31mb', 'a\u0000', 'a\u202eb', 'a\u2028b', 'a\ud800', 7, null, ['a']])
    for (const field of ['who', 'asked', 'why']) await refused({ items: [{ ...one(), [field]: odd }] });
  // Marks that are joined with a letter count too.
  for (const letter of ['a', '\u0301', '\u{1f578}'])
    for (const [field, chars] of [
      ['who', whoChars],
      ['asked', askedChars],
      ['why', whyChars],
    ] as const) {
      await refused({ items: [{ ...one(), [field]: letter.repeat(chars + 1) }] });
      await api.ok('POST', path, { items: [{ ...one(), [field]: letter.repeat(chars) }] });
    }
  for (const code of ['NOT_FOUND', 'x', 'toString', '__proto__', 7]) await refused({ items: [{ ...one(), code }] });
  for (const at of ['now', '2026-01-31', `2026-01-31T08:00:00.${'0'.repeat(99)}Z`, 0])
    await refused({ items: [{ ...one(), at }] });
  for (const field of Object.keys(one())) {
    const { [field as keyof HostRefusal]: _, ...rest } = one();
    await refused({ items: [rest] });
  }
  for (const extra of [{ tenant: 'acme' }, { from: '192.0.2.1' }, { kind: 'user' }, { toString: 'x' }])
    await refused({ items: [{ ...one(), ...extra }] });
  await refused({ items: Array.from({ length: most + 1 }, () => one()) });
  for (const count of [0, -1, 0.5, more + 1, '1']) await refused({ items: [], more: count });
  await refused({ more: 1 });
  await api.ok('POST', path, { items: [one({ who: '__proto__', asked: 'constructor', why: 'jürgen 中 \u{1f578}' })] });
});

it('A37: have no secret of a token that was pasted into a path', async () => {
  await using api = await openTwoTenants();
  const secret = 'Secret-'.repeat(7).slice(0, 43);
  const items = [one({ asked: `GET /containers/hdt_0123456789abcdef_${secret}/json` })];
  const records = await during(api, () => api.as(hostOf(api, 'h1')).ok('POST', path, { items }));
  assert.match(JSON.stringify(records), /hdt_0123456789abcdef_…/);
  assert.ok(!JSON.stringify(records).includes(secret));
});

it('are told so often by one host, whatever it tells, and no less by others', async (t) => {
  t.mock.method(performance, 'now', () => 1_000_000);
  await using api = await openTwoTenants();
  const h1 = api.as(hostOf(api, 'h1'));
  const most = (BURST_MS / 1000) * tellingRates.write;
  for (let i = 0; i < most / 2; i++) {
    await h1.ok('POST', path, { items: [one()] });
    await h1.refused('INVALID', 'POST', path, {});
  }
  for (const body of [{ items: [one()] }, {}]) await h1.refused('RATE_LIMITED', 'POST', path, body);
  await h1.ok('GET', '/v1/hosts/h1');
  await api.as(hostOf(api, 'h2')).ok('POST', '/v1/hosts/h2/refusals', { items: [one()] });
  await api.ok('POST', path, { items: [one()] });
});

it('fill no more of the log than what the host is refused itself, and hide nobody else', async () => {
  const now = () => new Date(1_000_000);
  await using api = await openTwoTenants({ now });
  const { atOnce } = floodBounds.source;
  const h1 = api.as(hostOf(api, 'h1'));
  const own = await during(api, async () => {
    await h1.request('POST', '/v1/hosts', { name: 'h9' });
    for (let i = 0; i < 5; i++)
      await h1.ok('POST', path, { items: Array.from({ length: refusalLimits.items }, () => one()), more: 7 });
  });
  assert.equal(own.length, atOnce, 'what it is refused itself is of the same source');
  const others = await during(api, async () => {
    await api.as(hostOf(api, 'h2')).ok('POST', '/v1/hosts/h2/refusals', { items: [one()] });
    await api.as(users.none).request('POST', '/v1/hosts', {});
    await api.as(undefined).request('POST', '/v1/hosts', {});
  });
  assert.deepEqual(
    others.map(({ who }) => who.name ?? who.kind),
    ['h2', 'nora', 'nobody'],
  );
  const [rest, ...more] = await during(api, () => api.audit.look());
  assert.deepEqual([rest?.action, rest?.who, more.length], ['unrecorded', { kind: 'host', name: 'h1' }, 0]);
  assert.equal(rest?.count, 1 + 5 * (refusalLimits.items + 7) - atOnce);
});
