import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { type Kind, kinds, placesOf } from '../model/kinds.ts';
import { openapiDocument } from './openapi.ts';
import { collectionPath } from './paths.ts';
import { type Method, openFurnishedApi } from './test-api.ts';

const t = '/v1/tenants/acme';
/** A body of every kind that can be made of what the furnished installation has. */
const bodies: Readonly<Record<Kind, object>> = {
  tenant: { name: 'x' },
  network: { name: 'x' },
  subnet: { name: 'x', network: 'web', cidr: '10.9.0.0/24' },
  port: { name: 'x', network: 'web' },
  address: { name: 'x', network: 'web', ports: ['x'] },
  lease: { name: 'x', network: 'web', host: 'h1', size: 1 },
  router: { name: 'x', subnets: ['v4'] },
  host: { name: 'x', vtep: '198.18.0.9' },
  grant: { name: 'x', subject: 'user:alice', role: 'viewer' },
};

it('changes and deletes an object of any kind only at the revision that is named', async () => {
  for (const kind of Object.keys(kinds) as Kind[]) {
    await using api = await openFurnishedApi();
    const collection = collectionPath(kind, placesOf(kind).at(-1)!).replace('{tenant}', 'acme');
    const made = await api.request('POST', collection, bodies[kind]);
    assert.equal(made.status, 201, `${kind}: ${JSON.stringify(made.body)}`);
    const first = String(made.headers.etag);
    assert.equal((await api.request('GET', `${collection}/x`)).headers.etag, first);
    const patch = { labels: { a: '1' } };
    const patched = await api.request('PATCH', `${collection}/x`, patch, { 'if-match': first });
    assert.equal(patched.status, 200, kind);
    assert.notEqual(patched.headers.etag, first);
    for (const method of ['PATCH', 'DELETE'] as const) {
      const body = method === 'PATCH' ? { labels: { a: '2' } } : undefined;
      const { want, have } = await api.refused('REVISION_CONFLICT', method, `${collection}/x`, body, {
        'if-match': first,
      });
      assert.deepEqual([`"${want}"`, `"${have}"`], [first, patched.headers.etag], kind);
      await api.refused('INVALID', method, `${collection}/x`, body, { 'if-match': 'latest' });
      await api.refused('INVALID', method, `${collection}/x`, body, { 'if-none-match': '*' });
    }
    const gone = await api.request('DELETE', `${collection}/x`, undefined, {
      'if-match': String(patched.headers.etag),
    });
    assert.equal(gone.status, 204, kind);
  }
});

it('honours on every route the conditions that its description names, and refuses any other', async () => {
  await using api = await openFurnishedApi();
  for (const [path, operations] of Object.entries(openapiDocument().paths))
    for (const [method, { parameters = [] }] of Object.entries(operations))
      for (const condition of ['If-Match', 'If-None-Match']) {
        if (method === 'get') continue;
        const url = path.replace('{tenant}', 'acme').replace(/\{\w+\}/, 'x');
        const headers = { [condition]: '"x"' };
        const asked = [method.toUpperCase() as Method, url, {}, headers] as const;
        const { field, problem } = await api.refused('INVALID', ...asked);
        const isNamed = (parameters as { in: string; name: string }[]).some((p) => p.name === condition);
        const refusal = isNamed ? /^must be/ : /^is not honoured here/;
        assert.deepEqual([field, refusal.test(String(problem))], [condition, true], `${method} ${path}: ${problem}`);
      }
  assert.equal((await api.request('GET', `${t}/networks/web`, undefined, { 'if-none-match': '"1"' })).status, 200);
  await api.refused('ROUTE_UNKNOWN', 'POST', '/v1/nothing', {}, { 'if-match': '"1"' });
});

it('makes only what is not there, if that is asked', async () => {
  await using api = await openFurnishedApi();
  const absent = { 'if-none-match': '*' };
  const id = '0197b8a0-0000-7000-8000-000000000001';
  const port = { id, name: 'p1', network: 'web' };
  const lease = { network: 'web', host: 'h1', size: 2 };
  for (const [path, body] of [
    [`${t}/ports`, port],
    [`${t}/leases`, lease],
  ] as const) {
    assert.equal((await api.request('POST', path, body, absent)).status, 201);
    assert.equal((await api.request('POST', path, body)).status, 200, 'a repeated request finds it');
    await api.refused('EXISTS', 'POST', path, body, absent);
    await api.refused('INVALID', 'POST', path, body, { 'if-none-match': '"1"' });
    await api.refused('INVALID', 'POST', path, body, { 'if-match': '"1"' });
  }
  await api.refused('NAME_TAKEN', 'POST', `${t}/networks`, { name: 'web' }, absent);
});

it('lets one of many who saw the same revision write, and refuses the others', async () => {
  await using api = await openFurnishedApi();
  const etag = String((await api.request('GET', `${t}/networks/web`)).headers.etag);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, n) =>
      api.request('PATCH', `${t}/networks/web`, { labels: { n: String(n) } }, { 'if-match': etag }),
    ),
  );
  assert.deepEqual(
    Object.entries(Object.groupBy(answers, (a) => String(a.status))).map(([status, all]) => [status, all!.length]),
    [
      ['200', 1],
      ['412', 19],
    ],
  );
});

it('goes on with a watch from any kept revision, and says what is compacted or yet to come', async () => {
  await using api = await openFurnishedApi();
  const from = api.world.revision + 1n;
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1300 });
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1400 });
  await api.store.compact(from);
  const { oldest } = await api.refused('COMPACTED', 'GET', `${t}/networks?watch=${from}`);
  assert.equal(oldest, String(from));
  await api.refused('REVISION_UNKNOWN', 'GET', `${t}/networks?watch=${api.world.revision + 2n}`);
  await api.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = api.app.server.address() as AddressInfo;
  const asked = request({ host: '127.0.0.1', port, path: `${t}/networks?watch=${from + 1n}` }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const lines = answer.setEncoding('utf8')[Symbol.asyncIterator]();
  let text = '';
  while (!text.includes('"put"')) text += (await lines.next()).value;
  assert.equal(JSON.parse(text.trim()).object.mtuBytes, 1400);
  asked.destroy();
});

it('ends a watch that compaction has overtaken with the reason', async () => {
  await using api = await openFurnishedApi();
  const watch = api.store.watch.bind(api.store);
  // As if its reader were so slow that what it is to read next is forgotten meanwhile.
  api.store.watch = async function* (prefix, from, signal) {
    for await (const batch of watch(prefix, from, signal)) {
      yield batch;
      await api.store.compact(api.world.revision);
      yield* watch(prefix, from, signal);
    }
  };
  const from = api.world.revision + 1n;
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1300 });
  await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1400 });
  const { payload } = await api.app.inject({ method: 'GET', url: `${t}/networks?watch=${from}` });
  const lines = payload.split('\n').filter(Boolean);
  const last = JSON.parse(lines.at(-1)!);
  assert.deepEqual([last.type, last.problem.code, last.problem.status], ['error', 'COMPACTED', 410]);
});
