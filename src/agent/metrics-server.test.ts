import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import type { Observed } from '../listen/observed-routes.ts';
import { hasCode } from '../model/errors.ts';
import { serveMetrics } from './metrics-server.ts';

const log = pino({ level: 'silent' });
const observed: Observed = {
  metrics: async () => 'heddle_gateways 4\n',
  readiness: () => [{ name: 'state', ok: false, detail: 'nothing is known' }],
};

test('metrics and readiness are served on the address, and nothing else', async () => {
  await using server = await serveMetrics('127.0.0.1:0', observed, log);
  const get = async (path: string) => {
    const answer = await fetch(`${server.address}${path}`);
    return [answer.status, await answer.text()] as const;
  };
  assert.match((await get('/metrics'))[1], /^heddle_gateways 4$/m);
  assert.deepEqual(await get('/readyz'), [503, 'not ready\nstate: nothing is known\n']);
  assert.deepEqual(await get('/healthz'), [200, 'ok\n']);
  assert.equal((await get('/v1/status'))[0], 404);
  assert.equal((await fetch(`${server.address}/metrics`, { method: 'POST' })).status, 404);
});

test('what is no address, or is taken, is refused with the reason', async () => {
  const refused = (listen: string, why: RegExp) =>
    assert.rejects(serveMetrics(listen, observed, log), (e: Error) => hasCode(e, 'USAGE') && why.test(e.message));
  for (const listen of ['9470', 'localhost:9470', '127.0.0.1', '127.0.0.1:99999', ':9470'])
    await refused(listen, /is no address to serve metrics on/);
  await using server = await serveMetrics('127.0.0.1:0', observed, log);
  await refused(server.address.slice('http://'.length), /cannot serve metrics: .*EADDRINUSE/);
});
