/** What a controller tells to those who watch over it. */
import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { it } from 'node:test';
import { pino } from 'pino';
import { metrics } from '../metrics/table.ts';
import type { Store } from '../store/contract.ts';
import { openSqlite } from '../store/sqlite.ts';
import { notAfterOf } from '../trust/bundle.ts';
import { openFurnishedApi, openTestApi } from './test-api.ts';

/** A sample's value; undefined if it is not there. */
function sample(text: string, name: string): number | undefined {
  const line = text.split('\n').find((l) => l.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}

it('serves metrics: requests by route, changes, objects, and nothing that the table does not name', async () => {
  await using api = await openFurnishedApi({ version: '1.2.3', storeBytes: () => 4096 });
  const authority = await api.authority();
  await api.ok('POST', '/v1/tenants/acme/ports', { name: 'p', network: 'web', host: 'h1' });
  await api.refused('NOT_FOUND', 'GET', '/v1/tenants/acme/ports/nosuch');
  await api.refused('ROUTE_UNKNOWN', 'GET', '/v1/nosuch/secret-name');
  const { status, headers, body: text } = await api.request('GET', '/metrics');
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  const route = '/v1/tenants/{tenant}/ports';
  for (const [name, value] of [
    [`heddle_http_requests_total{route="${route}",method="POST",code="201"}`, 1],
    [`heddle_http_requests_total{route="${route}/{port}",method="GET",code="404"}`, 1],
    ['heddle_http_requests_total{route="unknown",method="GET",code="404"}', 1],
    ['heddle_http_problems_total{error="NOT_FOUND"}', 1],
    [`heddle_http_request_duration_seconds_count{route="${route}",method="POST"}`, 1],
    ['heddle_store_changes_total{kind="host",change="created"}', 2],
    ['heddle_objects{kind="subnet"}', 2],
    ['heddle_ports{condition="unknown"}', 1],
    ['heddle_ports{condition="up"}', 0],
    ['heddle_hosts{condition="offline"}', 2],
    ['heddle_store_revision', Number(api.world.revision)],
    ['heddle_store_size_bytes', 4096],
    ['heddle_events_total{type="bound"}', 1],
    ['heddle_streams_open', 0],
    [
      'heddle_certificate_expiry_timestamp_seconds{of="authority"}',
      authority.authorities[0]!.validToDate.getTime() / 1000,
    ],
    ['heddle_certificate_expiry_timestamp_seconds{of="controller"}', Date.parse(notAfterOf(authority.server)) / 1000],
  ] as const)
    assert.equal(sample(text, name), value, name);
  assert.doesNotMatch(text, /secret-name|acme|nosuch/, 'nobody’s names');
  for (const [, name] of text.matchAll(/^# TYPE (\S+)/gm)) assert.ok(name! in metrics, name);
  for (const [name, { servers }] of Object.entries(metrics))
    if (servers.includes('controller') && !/_(messages|sent_bytes)_/.test(name))
      assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'));
});

it('looks at ports once for all who ask for metrics at a time', async () => {
  let nowMs = 0;
  const storeBytes = () => (nowMs += 100); // that is what it takes
  await using api = await openFurnishedApi({ storeBytes, shared: { now: () => nowMs } });
  const unbound = async () => sample((await api.request('GET', '/metrics')).body, 'heddle_ports{condition="unbound"}');
  assert.deepEqual(await Promise.all([unbound(), unbound()]), [0, 0]);
  await api.ok('POST', '/v1/tenants/acme/ports', { network: 'web' });
  assert.equal(await unbound(), 0);
});

it('has as many series after a hundred ports as after one', async () => {
  await using api = await openFurnishedApi();
  const series = async () => (await api.request('GET', '/metrics')).body.split('\n').length;
  await series(); // its own route
  await api.ok('POST', '/v1/tenants/acme/ports', { network: 'web' });
  const before = await series();
  for (let i = 0; i < 100; i++) await api.ok('POST', '/v1/tenants/acme/ports', { network: 'web' });
  assert.equal(await series(), before);
});

it('is alive and ready, in words and with each check', async () => {
  await using api = await openTestApi();
  for (const path of ['/healthz', '/readyz']) {
    const { status, body } = await api.request('GET', path);
    assert.deepEqual([status, body], [200, 'ok\n']);
  }
  const { body } = await api.request('GET', '/readyz?format=json');
  assert.deepEqual([body.status, body.checks.map((c: { name: string }) => c.name)], ['ok', ['store', 'world']]);
  const accepted = await api.request('GET', '/readyz', undefined, { accept: 'application/json' });
  assert.deepEqual(accepted.body, body);
});

it('is not ready when its store fails, says so, and is alive', async () => {
  const store = await openSqlite(':memory:');
  await using api = await openTestApi({ store, onFatal: () => undefined });
  await store[Symbol.asyncDispose]();
  const { status, body } = await api.request('GET', '/readyz');
  assert.equal(status, 503);
  assert.match(body, /^not ready\nstore: /);
  const detailed = await api.request('GET', '/readyz?format=json');
  assert.deepEqual([detailed.status, detailed.body.checks[0].ok], [503, false]);
  assert.equal((await api.request('GET', '/healthz')).status, 200);
});

it('is not ready when it follows its store no more, though that answers', async () => {
  await using store = await openSqlite(':memory:');
  const broken = new Proxy(store, {
    get(target, name: keyof Store) {
      if (name === 'audit') return target.audit;
      if (name !== 'watch') return target[name].bind(target);
      return async function* () {
        yield* [];
        throw new Error('the disk is gone');
      };
    },
  });
  const told = Promise.withResolvers<unknown>();
  await using api = await openTestApi({ store: broken, onFatal: told.resolve });
  await told.promise;
  const { status, body } = await api.request('GET', '/readyz');
  assert.deepEqual([status, body], [503, 'not ready\nworld: follows the store no more: the disk is gone\n']);
});

it('gives each request an id: its client’s if it is well formed, in the answer, the problem and every line of the log', async () => {
  const lines: Record<string, unknown>[] = [];
  const out = new Writable({
    write(chunk, _, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  await using api = await openFurnishedApi({ log: pino({ level: 'debug' }, out) });
  lines.length = 0;
  const id = { 'x-request-id': 'deploy-17.a' };
  const made = await api.request('POST', '/v1/tenants', { name: 'globex' }, id);
  const refused = await api.request('POST', '/v1/tenants', { name: 'globex' }, id);
  assert.deepEqual([made.headers['x-request-id'], refused.headers['x-request-id']], ['deploy-17.a', 'deploy-17.a']);
  assert.equal(refused.body.requestId, 'deploy-17.a');
  assert.deepEqual(
    lines.map(({ requestId, msg, code, status }) => [requestId, msg, code ?? status]),
    [
      ['deploy-17.a', 'answered', 201],
      ['deploy-17.a', 'a tenant named globex exists', 'NAME_TAKEN'],
    ],
  );
  const forged = await api.request('GET', '/v1/tenants/nosuch', undefined, { 'x-request-id': 'x"\ny' });
  assert.match(String(forged.headers['x-request-id']), /^[0-9a-f-]{36}$/);
  assert.equal(forged.body.requestId, forged.headers['x-request-id']);
});
