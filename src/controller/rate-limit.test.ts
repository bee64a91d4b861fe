import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../model/errors.ts';
import { joinTokenText, parseJoinToken } from '../trust/join-token.ts';
import { makeRequest } from '../trust/request.ts';
import { newSecret } from '../trust/secret.ts';
import { BURST_MS, clientOf, RateLimit, UNKNOWN_PER_SECOND } from './rate-limit.ts';
import { openTestApi } from './test-api.ts';
import { hostOf, user } from './test-principals.ts';

const rates = { write: 5, read: 2 };
/** A limit with a clock of its own: what it says to a request of an address. */
function limit(of = rates) {
  const clock = { ms: 0 };
  const rateLimit = new RateLimit(of, () => clock.ms);
  const take = (address = '192.0.2.1', what: 'write' | 'read' = 'write'): number => {
    try {
      rateLimit.take(address, what);
      return 0;
    } catch (e) {
      if (!hasCode(e, 'RATE_LIMITED')) throw e;
      return e.details.retryAfterMs;
    }
  };
  return { clock, take };
}

it('lets through in any time what the rate gives and what was saved, and says when the next one may come', () => {
  const pause = fc.integer({ min: 0, max: 3 * BURST_MS });
  fc.assert(
    fc.property(
      fc.array(fc.record({ pause, requests: fc.integer({ min: 1, max: 150 }) }), { maxLength: 30 }),
      (steps) => {
        const { clock, take } = limit();
        const taken: number[] = [];
        for (const step of steps) {
          clock.ms += step.pause;
          for (let i = 0; i < step.requests; i++) {
            const waitMs = take();
            if (waitMs === 0) taken.push(clock.ms);
            else {
              clock.ms += waitMs - 1;
              assert.notEqual(take(), 0, 'a moment before it is too soon');
              clock.ms += 1;
              assert.equal(take(), 0, 'as it was told');
              taken.push(clock.ms);
            }
          }
        }
        for (const [i, from] of taken.entries())
          for (let j = i; j < taken.length; j += 17)
            assert.ok(j - i + 1 <= (rates.write * (taken[j]! - from + BURST_MS)) / 1000 + 1, `${i} to ${j}`);
      },
    ),
    { numRuns: 50 },
  );
});

it('counts each address and each sort by itself, and gives a whole allowance back after a while', () => {
  const { clock, take } = limit();
  const burst = (rates.write * BURST_MS) / 1000;
  for (let i = 0; i < burst; i++) assert.equal(take(), 0);
  assert.equal(take(), 200);
  assert.equal(take('192.0.2.1', 'read'), 0);
  assert.equal(take('192.0.2.2'), 0);
  clock.ms += BURST_MS;
  for (let i = 0; i < burst; i++) assert.equal(take(), 0);
  assert.notEqual(take(), 0);
  const free = limit({ write: 0, read: 1 });
  for (let i = 0; i < 10_000; i++) assert.equal(free.take(), 0);
});

it('takes a /64 for one client, and an IPv4 address for one however it is written', () => {
  assert.equal(clientOf('2001:db8:0:1::1'), clientOf('2001:db8:0:1:ffff::2'));
  assert.notEqual(clientOf('2001:db8:0:1::1'), clientOf('2001:db8:0:2::1'));
  assert.equal(clientOf('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(clientOf('fe80::1%eth0'), clientOf('fe80::2%eth1'));
  assert.equal(clientOf('192.0.2.1'), '192.0.2.1');
});

it('A27: counts each user and each host, whatever address they have; of who is nobody, the address', async () => {
  const rate = 1000 / BURST_MS;
  await using api = await openTestApi({ rates: { write: rate, read: rate }, ratesNow: () => 0 });
  await api.ok('POST', '/v1/hosts', { name: 'h1', vtep: '198.18.0.1' });
  const list = async (principal: Parameters<typeof api.as>[0]) =>
    (await api.as(principal).request('GET', '/v1/tenants')).status;
  for (const principal of [user('alice'), user('bob'), hostOf(api, 'h1')]) {
    assert.equal(await list(principal), 200);
    assert.equal(await list(principal), 429, principal.name);
  }
  // Another token of the same user is no other user.
  assert.equal(await list(user('alice', { via: 'token' })), 429);
  const guess = async (n: number) => {
    const shown = { authorization: `Bearer hdt_${String(n).padStart(16, '0')}_${'A'.repeat(43)}` };
    return (await openedAt.request('GET', '/v1/tenants', undefined, shown)).status;
  };
  await using openedAt = await openTestApi({ rates: { write: rate, read: rate }, ratesNow: () => 0 });
  assert.deepEqual([await guess(1), await guess(2)], [401, 429]);
});

it('A27: counts writes of who is nobody by themselves, and lower', async () => {
  await using api = await openTestApi({ rates: { write: 1000, read: 1000 }, ratesNow: () => 0 });
  const nobody = api.as(undefined);
  const join = async () => (await nobody.request('POST', '/v1/join', { token: 'hdj_', csr: '', name: 'h1' })).status;
  const burst = (UNKNOWN_PER_SECOND * BURST_MS) / 1000;
  for (let i = 0; i < burst; i++) assert.equal(await join(), 400);
  assert.equal(await join(), 429);
  assert.equal((await nobody.request('GET', '/v1/ca')).status, 200);
  assert.equal((await api.request('POST', '/v1/tenants', { name: 'acme' })).status, 201, 'root here');
});

it('A27: lets in who shows a token to join, whoever else behind the address has shown none', async () => {
  // Two requests at once, and the next one after ten seconds.
  const rate = 2000 / BURST_MS;
  await using api = await openTestApi({ rates: { write: rate, read: rate }, ratesNow: () => 0 });
  const join = async (body: unknown) => {
    const { status, body: answer, headers } = await api.as(undefined).request('POST', '/v1/join', body);
    return status === 200 ? answer.host.name : [status, answer.code, headers['retry-after']].join(' ');
  };
  const [one, other] = [await api.ok('POST', '/v1/host-tokens', {}), await api.ok('POST', '/v1/host-tokens', {})];
  const right = { token: one.token, csr: (await makeRequest('h1')).csr, name: 'h1', vtep: '198.18.0.1' };
  const wrong = { ...right, token: joinTokenText({ ...parseJoinToken(one.token), secret: newSecret() }) };
  assert.match(await join(wrong), /TOKEN_INVALID/);
  assert.match(await join({}), /INVALID/);
  const tooSoon = '429 RATE_LIMITED 10';
  for (const body of [wrong, {}, '{', { ...wrong, name: 'x'.repeat(16 << 10) }])
    assert.equal(await join(body), tooSoon, JSON.stringify(body).slice(0, 80));
  assert.equal(await join(right), 'h1');
  assert.equal(await join(right), 'h1', 'an answer that got lost');
  assert.equal(await join(right), tooSoon, 'each token has its rate');
  assert.equal(await join({ ...right, token: other.token, name: 'h2', vtep: '198.18.0.2' }), 'h2');
  assert.equal(await join(wrong), tooSoon);
});

it('A27: refuses with 429 and when to come back; one object, and the streams of hosts, are always to be had', async () => {
  // One request, and the next one after 20 seconds.
  const rate = 1000 / BURST_MS;
  await using api = await openTestApi({ rates: { write: rate, read: rate }, ratesNow: () => 0 });
  await api.ok('POST', '/v1/tenants', { name: 't0' });
  const refused = await api.request('POST', '/v1/tenants', { name: 't1' });
  assert.deepEqual([refused.status, refused.body.code, refused.body.details.what], [429, 'RATE_LIMITED', 'write']);
  const { retryAfterMs } = refused.body.details;
  assert.equal(refused.headers['retry-after'], String(Math.ceil(retryAfterMs / 1000)));
  await api.ok('GET', '/v1/tenants');
  for (const path of ['/v1/tenants', '/v1/openapi.json', '/v1/tenants/t0?counters=true'])
    assert.equal((await api.request('GET', path)).status, 429, path);
  for (let n = 0; n < 3; n++) {
    await api.ok('GET', '/v1/tenants/t0');
    assert.equal((await api.request('GET', '/v1/nothing')).status, 404);
    (await api.app.injectWS('/v1/stream')).terminate();
  }
});
