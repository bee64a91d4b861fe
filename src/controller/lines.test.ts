import assert from 'node:assert/strict';
import { it } from 'node:test';
import { fastify } from 'fastify';
import { pino } from 'pino';
import { sendLines } from './lines.ts';
import { openLines } from './test-lines.ts';
import { openTwoTenants } from './test-principals.ts';

it('ends an answer without end at the next empty line, if whoever reads it may not any more', async (t) => {
  await using api = await openTwoTenants();
  t.mock.timers.enable({ apis: ['setInterval'] });
  for (const path of [
    `/v1/tenants/acme/ports?watch=${api.world.revision + 1n}`,
    `/v1/events?follow=true&after=1000`,
    '/v1/audit?follow=true&tenant=acme',
  ]) {
    const { id, token } = await api.ok('POST', '/v1/tokens', { user: 'ada' });
    using lines = await openLines(api, undefined, path, { authorization: `Bearer ${token}` });
    await api.ok('DELETE', `/v1/tokens/${id}`);
    t.mock.timers.tick(10_000);
    let last: { problem?: { code: string } } | undefined;
    for (let line = await lines.next(); line; line = await lines.next()) last = line;
    assert.equal(last?.problem?.code, /events/.test(path) ? undefined : 'UNAUTHENTICATED', path);
  }
});

it('ends an answer of which not even the end can be told, says so in the log, and goes on', async () => {
  const logged: string[] = [];
  const app = fastify({ loggerInstance: pino({ level: 'error' }, { write: (line) => void logged.push(line) }) });
  const fail = (what: string) => () => Promise.reject(new Error(what));
  app.get('/', (_, reply) =>
    sendLines(reply, { look: () => undefined, pump: fail('no line'), last: fail('the store is closed') }),
  );
  assert.equal((await app.inject('/')).body, '\n');
  assert.deepEqual(
    logged.map((line) => JSON.parse(line)).map(({ msg, err }) => [msg, err.message]),
    [['the end of an answer could not be told', 'the store is closed']],
  );
});
