import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { JoinTokenInput } from '../model/trust.ts';
import { openSqlite } from '../store/sqlite.ts';
import { joinTokenText, parseJoinToken } from '../trust/join-token.ts';
import { makeRequest } from '../trust/request.ts';
import { newSealingKey } from '../trust/sealing-key.ts';
import { newSecret } from '../trust/secret.ts';
import { derOf } from '../trust/test-hosts.ts';
import { openTestApi, type TestApi } from './test-api.ts';
import { refusedWith } from './test-audit.ts';
import { hostOf } from './test-principals.ts';

const hour = 3_600_000;
/** An installation with tenant acme, on a clock that the test moves. */
async function openAt(start: string): Promise<{ api: TestApi; later(ms: number): void } & AsyncDisposable> {
  let now = Date.parse(start);
  const api = await openTestApi({ now: () => new Date(now) });
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  // Made now, and not by the first request that asks for it.
  await api.authority();
  return {
    api,
    later: (ms) => {
      now += ms;
    },
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}
const open = () => openAt('2026-11-22T10:00:00Z');
const tokenOf = async (api: TestApi, input: JoinTokenInput = {}): Promise<string> =>
  (await api.ok('POST', '/v1/host-tokens', input)).token;
const { csr } = await makeRequest('h1');
const body = async (api: TestApi, more: object = {}, input: JoinTokenInput = {}) => ({
  token: await tokenOf(api, input),
  csr,
  name: 'h1',
  vtep: '198.18.0.1',
  ...more,
});
/** Whoever joins has nothing else than the token. */
const nobody = (api: TestApi) => api.as(undefined);

/** A token whose secret is right, and that is no good any more: recorded with its id, of who shows it. */
async function refusedJoiner(api: TestApi, asked: { readonly token: string }): Promise<{ problem: string }> {
  const joiner = { kind: 'joiner', name: parseJoinToken(asked.token).id } as const;
  const { body } = await refusedWith(api, joiner, () => nobody(api).request('POST', '/v1/join', asked));
  assert.equal(body.code, 'TOKEN_INVALID');
  return body.details;
}

describe('A30: joining', () => {
  it('makes the host, and gives it a certificate that counts', async () => {
    await using on = await open();
    const { api } = on;
    const joined = await nobody(api).ok('POST', '/v1/join', await body(api, { mtuBytes: 9000 }));
    const host = await api.ok('GET', '/v1/hosts/h1');
    assert.deepEqual(joined.host, { id: host.id, name: 'h1' });
    assert.deepEqual(
      { vtep: host.vtep, mtuBytes: host.mtuBytes, tenants: host.tenants, revoked: host.revoked },
      { vtep: '198.18.0.1', mtuBytes: 9000, tenants: [], revoked: false },
    );
    const authority = await api.authority();
    assert.equal(joined.ca, authority.bundle());
    assert.deepEqual(authority.identify(derOf(joined.certificate)), { host: host.id, name: 'h1', generation: 0 });
  });

  it('needs the token whole: another secret, id or form is refused alike', async () => {
    await using on = await open();
    const { api } = on;
    const good = await body(api);
    const parts = parseJoinToken(good.token);
    const wrong = {
      secret: joinTokenText({ ...parts, secret: newSecret() }),
      id: joinTokenText({ ...parts, id: '0123456789ab' }),
    };
    const details = [];
    for (const token of Object.values(wrong))
      details.push(await nobody(api).refused('TOKEN_INVALID', 'POST', '/v1/join', { ...good, token }));
    assert.deepEqual(details[0], details[1], 'nobody learns which tokens there are');
    for (const token of ['hdj_', good.token.slice(0, -1), `${good.token}A`, good.token.replace('hdj', 'hdt')])
      await nobody(api).refused('TOKEN_INVALID', 'POST', '/v1/join', { ...good, token });
    // Nothing else of a stranger's is read.
    await nobody(api).refused('TOKEN_INVALID', 'POST', '/v1/join', { ...good, token: wrong.secret, csr: 'none' });
    await nobody(api).ok('POST', '/v1/join', good);
  });

  it('ends with the time of the token', async () => {
    await using on = await open();
    const good = await body(on.api);
    on.later(hour - 1);
    await nobody(on.api).ok('POST', '/v1/join', good);
    const other = await body(on.api, { name: 'h2', vtep: '198.18.0.2' }, { ttlSeconds: 60 });
    on.later(60_000);
    const { problem } = await refusedJoiner(on.api, other);
    assert.match(problem, /^it expired at 2026-11-22T/);
  });

  it('takes a use for each host, and the same host once more takes none', async () => {
    await using on = await open();
    const { api } = on;
    const token = await tokenOf(api, { uses: 2 });
    const join = (n: number, request = csr) => ({ token, csr: request, name: `h${n}`, vtep: `198.18.0.${n}` });
    const first = await nobody(api).ok('POST', '/v1/join', join(1));
    const again = await nobody(api).ok('POST', '/v1/join', join(1));
    assert.equal(again.host.id, first.host.id, 'an answer that got lost is given again');
    await nobody(api).ok('POST', '/v1/join', join(2));
    assert.equal((await api.ok('GET', '/v1/host-tokens')).items[0].left, 0);
    const { problem } = await refusedJoiner(api, join(3));
    assert.equal(problem, 'it is used up');
    await nobody(api).ok('POST', '/v1/join', join(1));
    const { problem: other } = await refusedJoiner(api, join(1, (await makeRequest('h1')).csr));
    assert.equal(other, 'it is used up', 'with another key it is another machine');
  });

  it('of many at once, at two controllers, lets in as many as the token says', async () => {
    await using store = await openSqlite(':memory:');
    const sealingKey = newSealingKey();
    await using one = await openTestApi({ store, sealingKey });
    await using two = await openTestApi({ store, sealingKey });
    const token = await tokenOf(one, { uses: 3 });
    await two.world.reached(one.world.revision);
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, n) =>
        nobody(n % 2 === 0 ? one : two).request('POST', '/v1/join', {
          token,
          csr,
          name: `m${n}`,
          vtep: `198.18.1.${n}`,
        }),
      ),
    );
    assert.equal(answers.filter(({ status }) => status === 200).length, 3);
    assert.ok(answers.filter(({ status }) => status !== 200).every(({ body: { code } }) => code === 'TOKEN_INVALID'));
    assert.equal((await one.ok('GET', '/v1/hosts')).items.length, 3);
  });

  it('takes no host’s place, but with a token for it, and then nothing of before counts', async () => {
    await using on = await open();
    const { api } = on;
    const old = await nobody(api).ok('POST', '/v1/join', await body(api));
    const authority = await api.authority();
    const other = { ...(await body(api, { vtep: '198.18.0.9' })), csr: (await makeRequest('h1')).csr };
    const refused = await nobody(api).request('POST', '/v1/join', other);
    assert.equal(refused.body.code, 'NAME_TAKEN');
    assert.match(refused.body.detail, /heddle host token create --name h1/);
    assert.ok(authority.identify(derOf(old.certificate)));
    const token = await tokenOf(api, { name: 'h1', tenants: ['acme'] });
    const { problem } = await nobody(api).refused('TOKEN_INVALID', 'POST', '/v1/join', { ...other, token, name: 'h2' });
    assert.equal(problem, 'it is for host h1, not h2');
    const { name: _, ...nameless } = other;
    const joined = await nobody(api).ok('POST', '/v1/join', { ...nameless, token });
    assert.deepEqual(joined.host, old.host, 'it is the same host, on another machine');
    assert.throws(() => authority.identify(derOf(old.certificate)), { code: 'CERTIFICATE_REVOKED' });
    assert.equal(authority.identify(derOf(joined.certificate)).name, 'h1');
    const host = await api.ok('GET', '/v1/hosts/h1');
    assert.deepEqual([host.vtep, host.tenants.length], ['198.18.0.9', 1]);
  });

  it('a host that somebody made before, and that never was there, is let in by its own token alone', async () => {
    await using on = await open();
    const { api } = on;
    const { id } = await api.ok('POST', '/v1/hosts', { name: 'h1', vtep: '198.18.0.1', labels: { rack: '7' } });
    await nobody(api).refused('NAME_TAKEN', 'POST', '/v1/join', await body(api));
    const joined = await nobody(api).ok('POST', '/v1/join', await body(api, {}, { name: 'h1' }));
    assert.equal(joined.host.id, id);
    assert.deepEqual((await api.ok('GET', '/v1/hosts/h1')).labels, { rack: '7' });
  });

  it('calls a host as it is asked to, else as its token says, else as the machine calls itself', async () => {
    await using on = await open();
    const { api } = on;
    const { name: _, ...nameless } = await body(api);
    const joinedAs = async (asked: object, input: JoinTokenInput, n: number) => {
      const request = { ...nameless, token: await tokenOf(api, input), vtep: `198.18.0.${n}`, ...asked };
      return (await nobody(api).ok('POST', '/v1/join', request)).host.name;
    };
    assert.equal(await joinedAs({ hostname: 'web-17' }, {}, 1), 'web-17');
    assert.equal(await joinedAs({ hostname: 'web-18' }, { name: 'h1' }, 2), 'h1');
    assert.equal(await joinedAs({ hostname: 'no name' }, { name: 'h2' }, 3), 'h2');
    assert.equal(await joinedAs({ hostname: 'web-19', name: 'h3' }, {}, 4), 'h3');
    await nobody(api).refused('NAME_INVALID', 'POST', '/v1/join', { ...nameless, hostname: 'no name' });
  });

  it('asks for a name and an address that can be, and for a request', async () => {
    await using on = await open();
    const { api } = on;
    const good = await body(api);
    const { name: _, ...nameless } = good;
    await nobody(api).refused('INVALID', 'POST', '/v1/join', nameless);
    await nobody(api).refused('NAME_INVALID', 'POST', '/v1/join', { ...good, name: 'no name' });
    await nobody(api).refused('ADDRESS_INVALID', 'POST', '/v1/join', { ...good, vtep: 'nowhere' });
    await nobody(api).refused('INVALID', 'POST', '/v1/join', { ...good, csr: 'none' });
    await nobody(api).refused('INVALID', 'POST', '/v1/join', { ...good, addresses: [] });
    await nobody(api).ok('POST', '/v1/join', good);
    const taken = await body(api, { name: 'h2' });
    await nobody(api).refused('VTEP_TAKEN', 'POST', '/v1/join', taken);
  });

  it('without an address it is at the one that it comes from, if others can reach that', async () => {
    await using on = await open();
    const { vtep: _, ...good } = await body(on.api);
    const { field } = await nobody(on.api).refused('INVALID', 'POST', '/v1/join', good);
    assert.equal(field, 'vtep');
    const remoteAddress = '::ffff:198.51.100.7';
    await on.api.app.inject({ method: 'POST', url: '/v1/join', payload: good, remoteAddress });
    assert.equal((await on.api.ok('GET', '/v1/hosts/h1')).vtep, '198.51.100.7');
  });
});

describe('A30: tokens to join', () => {
  it('are kept, as those of the API, with the fields that stores of earlier programs have', async () => {
    await using on = await open();
    const { api } = on;
    await api.ok('POST', '/v1/tokens', { user: 'ann' });
    await tokenOf(api, { name: 'h1', tenants: ['acme'] });
    const fieldsBelow = async (prefix: string) =>
      (await api.store.range(prefix)).entries.map(({ value }) =>
        Object.keys(JSON.parse(value) as object)
          .sort()
          .join(' '),
      );
    assert.deepEqual(await fieldsBelow('/trust/join/'), ['by createdAt digest expiresAt host id left tenants uses']);
    assert.deepEqual(await fieldsBelow('/trust/token/'), [
      'by createdAt description expiresAt groups hash id scope user',
    ]);
  });

  it('are shown once; the store has no secret of them', async () => {
    await using on = await open();
    const { api } = on;
    const made = await api.ok('POST', '/v1/host-tokens', { uses: 3, ttlSeconds: 2 * 3600, tenants: ['acme'] });
    const { token, ...shown } = made;
    const { id, secret, pin } = parseJoinToken(token);
    const { id: tenant } = await api.ok('GET', '/v1/tenants/acme');
    assert.deepEqual(shown, {
      id,
      createdAt: '2026-11-22T10:00:00.000Z',
      expiresAt: '2026-11-22T12:00:00.000Z',
      uses: 3,
      left: 3,
      tenants: [tenant],
      by: shown.by,
    });
    assert.match(shown.by, /^root@/);
    assert.equal(pin, (await api.authority()).pin());
    assert.deepEqual((await api.ok('GET', '/v1/host-tokens')).items, [shown]);
    const kept = JSON.stringify((await api.store.range('/')).entries, (_, v) =>
      typeof v === 'bigint' ? String(v) : v,
    );
    assert.ok(!kept.includes(secret) && kept.includes(id));
  });

  it('end when they are deleted, and what expired long ago goes with the next that is made', async () => {
    await using on = await open();
    const { api } = on;
    const good = await body(api);
    const { id } = parseJoinToken(good.token);
    await api.ok('DELETE', `/v1/host-tokens/${id}`);
    await api.refused('NOT_FOUND', 'DELETE', `/v1/host-tokens/${id}`);
    await nobody(api).refused('TOKEN_INVALID', 'POST', '/v1/join', good);
    await tokenOf(api);
    on.later(hour);
    assert.deepEqual((await api.ok('GET', '/v1/host-tokens')).items, []);
    assert.equal((await api.store.range('/trust/join/')).entries.length, 1);
    await tokenOf(api, { name: 'h1' });
    assert.equal((await api.store.range('/trust/join/')).entries.length, 2);
    on.later(31 * 24 * hour);
    await tokenOf(api, { name: 'h1' });
    assert.equal((await api.store.range('/trust/join/')).entries.length, 1);
  });

  it('have bounds, and name tenants that are there', async () => {
    await using on = await open();
    for (const input of [
      { ttlSeconds: 1 },
      { ttlSeconds: 31 * 86_400 },
      { uses: 0 },
      { uses: 1.5 },
      { uses: 10_001 },
      { by: 'me' },
    ])
      await on.api.refused('INVALID', 'POST', '/v1/host-tokens', input);
    await on.api.refused('NOT_FOUND', 'POST', '/v1/host-tokens', { tenants: ['none'] });
    await on.api.refused('NAME_INVALID', 'POST', '/v1/host-tokens', { name: '../x' });
  });
});

describe('A31: renewal', () => {
  it('gives a host another certificate, of another key, for itself alone', async () => {
    await using on = await open();
    const { api } = on;
    const joined = await nobody(api).ok('POST', '/v1/join', await body(api));
    const other = await nobody(api).ok('POST', '/v1/join', await body(api, { name: 'h2', vtep: '198.18.0.2' }));
    const h1 = api.as(hostOf(api, 'h1'));
    on.later(24 * hour);
    const next = (await makeRequest('h1')).csr;
    const renewed = await h1.ok('POST', `/v1/hosts/${joined.host.id}/certificate`, { csr: next });
    const authority = await api.authority();
    const { generation } = api.world.trust.host(joined.host.id).record;
    assert.deepEqual(authority.identify(derOf(renewed.certificate)), { host: joined.host.id, name: 'h1', generation });
    assert.ok(authority.identify(derOf(joined.certificate)), 'the one before holds to its end');
    assert.equal(renewed.notAfter, '2026-11-26T10:00:00.000Z');
    on.later(2 * 24 * hour + 1000);
    assert.throws(() => authority.identify(derOf(joined.certificate)), {
      code: 'CERTIFICATE_INVALID',
      message: /expired/,
    });
    await h1.refused('FORBIDDEN', 'POST', `/v1/hosts/${other.host.id}/certificate`, { csr: next });
    await h1.refused('INVALID', 'POST', '/v1/hosts/h1/certificate', { csr: 'none' });
    await nobody(api).refused('UNAUTHENTICATED', 'POST', '/v1/hosts/h1/certificate', { csr: next });
  });
});

describe('A32: revoking', () => {
  it('ends all certificates of the host, until it joins again', async () => {
    await using on = await open();
    const { api } = on;
    const joined = await nobody(api).ok('POST', '/v1/join', await body(api));
    const authority = await api.authority();
    assert.equal((await api.ok('POST', '/v1/hosts/h1/revoke', {})).revoked, true);
    assert.throws(() => authority.identify(derOf(joined.certificate)), { code: 'CERTIFICATE_REVOKED' });
    await api.refused('CERTIFICATE_REVOKED', 'POST', '/v1/hosts/h1/certificate', { csr });
    await api.ok('POST', '/v1/hosts/h1/revoke', {});
    await nobody(api).refused('NAME_TAKEN', 'POST', '/v1/join', await body(api));
    const again = await nobody(api).ok('POST', '/v1/join', await body(api, {}, { name: 'h1' }));
    assert.equal(authority.identify(derOf(again.certificate)).name, 'h1');
    assert.throws(() => authority.identify(derOf(joined.certificate)), { code: 'CERTIFICATE_REVOKED' });
    assert.equal((await api.ok('GET', '/v1/hosts/h1')).revoked, false);
  });

  it('a host that is deleted leaves nothing, and its certificates count no more', async () => {
    await using on = await open();
    const { api } = on;
    const joined = await nobody(api).ok('POST', '/v1/join', await body(api));
    const authority = await api.authority();
    assert.equal((await api.store.range('/trust/host/')).entries.length, 1);
    await api.ok('DELETE', '/v1/hosts/h1');
    assert.throws(() => authority.identify(derOf(joined.certificate)), { code: 'HOST_GONE' });
    assert.deepEqual((await api.store.range('/trust/host/')).entries, []);
    const again = await nobody(api).ok('POST', '/v1/join', await body(api));
    assert.notEqual(again.host.id, joined.host.id);
    assert.throws(() => authority.identify(derOf(joined.certificate)), { code: 'HOST_GONE' });
  });

  it('going back to before it does not take it back', async () => {
    await using on = await open();
    const { api } = on;
    const joined = await nobody(api).ok('POST', '/v1/join', await body(api));
    const authority = await api.authority();
    const to = String(api.world.revision);
    await api.ok('PATCH', '/v1/hosts/h1', { labels: { a: 'b' } });
    await api.ok('POST', '/v1/hosts/h1/revoke', {});
    await api.ok('POST', '/v1/rollback', { to });
    const host = await api.ok('GET', '/v1/hosts/h1');
    assert.deepEqual([host.labels, host.revoked], [{}, true]);
    assert.throws(() => authority.identify(derOf(joined.certificate)), { code: 'CERTIFICATE_REVOKED' });
  });
});
