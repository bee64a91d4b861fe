import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { HeddleError, hasCode } from '../model/errors.ts';
import { type KeyedCertificate, makeAuthority } from '../trust/authority-certificate.ts';
import { issueServer } from '../trust/issue.ts';
import { hostCertificate } from '../trust/test-hosts.ts';
import { DAY_MS } from '../trust/validity.ts';
import { openClient } from './client.ts';
import { openLocal } from './local.ts';
import { readText, send } from './transport.ts';

/** A server on loopback, or on an abstract unix socket of this name; disposing closes it and its connections. */
async function serve(listener: RequestListener, socket?: string): Promise<{ address: string } & Disposable> {
  const server = createServer(listener);
  server.listen(socket === undefined ? { port: 0, host: '127.0.0.1' } : { path: socket });
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  const address = socket ?? `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { address, [Symbol.dispose]: close };
}
const silent: RequestListener = () => undefined;

test('a server that takes the request and says nothing is unreachable after the deadline', async () => {
  using deaf = await serve(silent);
  const client = openClient(deaf.address);
  for (const asked of [
    client.list('host', { deadlineMs: 20 }),
    client.get('host', 'h1', { deadlineMs: 20 }),
    client.create('tenant', { name: 'acme' }, { deadlineMs: 20 }),
    client.request('GET', '/v1/hosts', { deadlineMs: 20 }),
    client.watch('host', { from: 1n, deadlineMs: 20 })[Symbol.asyncIterator]().next(),
  ])
    await assert.rejects(asked, (e) => {
      assert.ok(hasCode(e, 'CONTROLLER_UNREACHABLE'));
      assert.match(e.message, /no answer within 0\.02 s/);
      return true;
    });
});

test('an agent that says nothing is unreachable too', async () => {
  using agent = await serve(silent, `\0heddle-test-${randomUUID()}`);
  await assert.rejects(openLocal(agent.address).request('GET', '/v1/status', { deadlineMs: 20 }), (e) =>
    hasCode(e, 'AGENT_UNREACHABLE'),
  );
});

test('without a word on it a request waits 10 s, a write as long as it asked for besides, an agent 30 s', async (t) => {
  using deaf = await serve(silent);
  using agent = await serve(silent, `\0heddle-test-${randomUUID()}`);
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const client = openClient(deaf.address);
  for (const [asked, seconds] of [
    [client.list('host'), 10],
    [client.create('tenant', { name: 'acme' }, { waitMs: 5_000 }), 15],
    [client.watch('host', { from: 1n })[Symbol.asyncIterator]().next(), 10],
    [openLocal(agent.address).request('GET', '/v1/status'), 30],
  ] as const) {
    const told = assert.rejects(asked, new RegExp(`no answer within ${seconds} s`));
    t.mock.timers.tick(seconds * 1000);
    await told;
  }
});

test('once the answer has begun there is no deadline, and an abort passes unchanged', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { promise: late, resolve: passed } = Promise.withResolvers<void>();
  using slow = await serve((_, response) => {
    response.writeHead(200).flushHeaders();
    void late.then(() => response.end('all of it'));
  });
  const unreachable = (problem: string) => new HeddleError('CONTROLLER_UNREACHABLE', { address: '', problem });
  const answer = await send({ address: slow.address }, 'GET', '/', {}, unreachable);
  t.mock.timers.tick(60_000);
  passed();
  assert.equal(await readText(answer), 'all of it');

  using deaf = await serve(silent);
  const stop = new AbortController();
  const asked = openClient(deaf.address).list('host', { signal: stop.signal });
  stop.abort(new Error('enough'));
  await assert.rejects(asked, /enough/);
});

test('what is wrong with the address or the token is no matter of the controller', async () => {
  const refusal = new HeddleError('LOGIN_EXPIRED', { context: 'prod', problem: 'it is over' });
  const token = () => Promise.reject(refusal);
  using deaf = await serve(silent);
  await assert.rejects(openClient(deaf.address, { ca: '', token }).list('host'), (e) => e === refusal);
  for (const address of ['https://192.0.2.1:7470', 'http://192.0.2.1:7470', 'ftp://x', 'x'])
    await assert.rejects(openClient(address).list('host'), (e) => hasCode(e, 'USAGE'), address);
});

/** The address of a server that shows a certificate, on loopback. */
async function showing({ key, certificate: cert }: KeyedCertificate): Promise<{ address: string } & Disposable> {
  const server = createTlsServer({ key, cert, minVersion: 'TLSv1.3' }, (_, response) => response.end('{"items":[]}'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { address: `https://127.0.0.1:${port}`, [Symbol.dispose]: () => void server.close() };
}

test('A30: a host that plays a controller is refused, though its certificate is for a server too', async () => {
  const authority = await makeAuthority(new Date());
  const ca = authority.certificate;
  using host = await showing(await hostCertificate(authority));
  await assert.rejects(openClient(host.address, { ca }).list('host'), {
    code: 'CONTROLLER_UNREACHABLE',
    message: /its certificate is not a controller’s/,
  });
  using twin = await showing(await issueServer(authority, [], new Date()));
  assert.deepEqual(await openClient(twin.address, { ca }).list('host'), []);
});

test('a certificate out of its time is told with the clock by which it is', async () => {
  const now = Date.now();
  const authority = await makeAuthority(new Date(now - 30 * DAY_MS));
  for (const [offMs, text] of [
    [-9 * DAY_MS, /by this machine’s clock \(\d{4}-\d\d-\d\d, UTC\) its certificate holds no more: is the clock right/],
    [
      9 * DAY_MS,
      /by this machine’s clock \(\d{4}-\d\d-\d\d, UTC\) its certificate does not hold yet: is the clock right/,
    ],
  ] as const) {
    using server = await showing(await issueServer(authority, [], new Date(now + offMs)));
    await assert.rejects(openClient(server.address, { ca: authority.certificate }).list('host'), {
      code: 'CONTROLLER_UNREACHABLE',
      message: text,
    });
  }
});
