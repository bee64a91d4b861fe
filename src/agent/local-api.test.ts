import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type IncomingMessage, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { test } from 'node:test';
import { pino } from 'pino';
import { HeddleError, type Problem } from '../model/errors.ts';
import { type LocalApi, serveLocalApi } from './local-api.ts';
import { tellNotGiven } from './not-given.ts';

test('a body that is too large is refused with the limit that it broke', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-local-'));
  t.after(() => rm(dir, { recursive: true }));
  const socketPath = join(dir, 'agent.sock');
  const parts = { attacher: { attach: () => assert.fail('it is no request') }, log: pino({ level: 'silent' }) };
  await using _ = await serveLocalApi(socketPath, parts as unknown as LocalApi);
  /** Announces a body of so many bytes, and waits for what is said to that. */
  const announce = async (bytes: number): Promise<Problem> => {
    const headers = { 'content-type': 'application/json', 'content-length': bytes };
    const asked = request({ socketPath, method: 'POST', path: '/v1/attachments', headers });
    asked.flushHeaders();
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    const problem = (await json(answer)) as Problem;
    asked.on('error', () => undefined).destroy();
    return problem;
  };
  const { code, details } = await announce(10_000_000);
  assert.equal(code, 'TOO_LARGE');
  const { limitBytes } = details as { limitBytes: number };
  assert.deepEqual((await announce(limitBytes + 1)).details, { limitBytes });
  const fits = request({ socketPath, method: 'POST', path: '/v1/attachments' });
  fits.setHeader('content-type', 'application/json').end(`{"a":"${'x'.repeat(limitBytes - 8)}"}`);
  const [answer] = (await once(fits, 'response')) as [IncomingMessage];
  assert.equal(((await json(answer)) as Problem).code, 'INVALID');
});

test('of a tenant that the controller does not show this host, who attaches there is told whom to ask', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-local-'));
  t.after(() => rm(dir, { recursive: true }));
  const socketPath = join(dir, 'agent.sock');
  const attach = () => Promise.reject(new HeddleError('NOT_FOUND', { kind: 'tenant', name: 'acme' }));
  const parts = { attacher: { attach }, tell: tellNotGiven({ name: 'h1' }), log: pino({ level: 'silent' }) };
  await using _ = await serveLocalApi(socketPath, parts as unknown as LocalApi);
  const asked = request({ socketPath, method: 'POST', path: '/v1/attachments' });
  const body = { kind: 'netns', target: '/run/netns/x', tenant: 'acme', network: 'web' };
  asked.setHeader('content-type', 'application/json').end(JSON.stringify(body));
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  const { code, status, detail } = (await json(answer)) as Problem;
  assert.deepEqual([code, status], ['TENANT_NOT_GIVEN', 403]);
  assert.match(detail, /heddle host update h1 --tenants/);
});
