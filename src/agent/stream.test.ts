/** How often a controller is asked that does not answer as it should. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { WebSocketServer } from 'ws';
import { HeddleError, toProblem } from '../model/errors.ts';
import { makeAuthority } from '../trust/authority-certificate.ts';
import { hostCertificate } from '../trust/test-hosts.ts';
import { ControllerStream } from './stream.ts';
import { elsewhereMs, shutOutMs } from './verdict.ts';

/** How a controller answers a stream. */
type Answer = (upgrade: { request: IncomingMessage; socket: Duplex; head: Buffer }) => void;

/** As who is not let in. */
const byStatus =
  (refusal: HeddleError): Answer =>
  ({ socket }) => {
    const body = JSON.stringify(toProblem(refusal));
    socket.end(`HTTP/1.1 401 No\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\r\n${body}`);
  };
/** With messages, once it has said hello. */
const byMessages =
  (...messages: object[]): Answer =>
  ({ request, socket, head }) =>
    new WebSocketServer({ noServer: true }).handleUpgrade(request, socket, head, (stream) => {
      stream.once('message', () => {
        for (const message of messages) stream.send(JSON.stringify(message));
      });
    });
const refusing = (refusal: HeddleError) => ({ type: 'refusal', problem: toProblem(refusal) });

/** The waits between so many attempts at a controller; none of them takes its time. */
async function waits(t: TestContext, answer: Answer, attempts: number) {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-stream-'));
  t.after(() => rm(dir, { recursive: true }));
  const server = createServer();
  server.on('upgrade', (request, socket, head) => answer({ request, socket, head }));
  await new Promise<void>((listening) => server.listen(join(dir, 'socket'), listening));
  t.after(() => server.close());
  const waited: number[] = [];
  const lost: Error[] = [];
  const { promise: enough, resolve } = Promise.withResolvers<void>();
  const { setTimeout: real } = globalThis;
  const mocked = t.mock.method(globalThis, 'setTimeout', (work: () => void, ms: number) => {
    // A wait begins when the attempt is lost; other timers are of connections.
    if (waited.length === lost.length) return real(work, ms);
    waited.push(ms);
    return real(work, 0);
  });
  const listener = {
    hello: () => ({ type: 'hello', name: 'h1' }),
    welcome: () => undefined,
    lost(cause: Error) {
      lost.push(cause);
      if (lost.length === attempts) resolve();
    },
  };
  await using stream = new ControllerStream(`unix:${join(dir, 'socket')}`, undefined, listener as never);
  await enough;
  mocked.mock.restore();
  return { waited, lost, refusal: stream.refusal };
}

test('a controller that does not let this host in is asked every few minutes in the end, and says why', async (t) => {
  const { waited, lost, refusal } = await waits(
    t,
    byStatus(new HeddleError('CERTIFICATE_REVOKED', { host: 'h1' })),
    20,
  );
  assert.ok(waited[0]! <= 50, 'at once at first');
  assert.ok(waited.at(-1)! >= shutOutMs / 2 && waited.at(-1)! <= shutOutMs, String(waited.at(-1)));
  assert.equal(refusal?.code, 'CERTIFICATE_REVOKED');
  assert.match(lost[0]!.message, /the certificate of host h1 is revoked/);
});

test('one that is away, or has too much to do, is asked every few seconds', async (t) => {
  const { waited, refusal } = await waits(t, byStatus(new HeddleError('BUSY', { tries: 5 })), 20);
  assert.ok(Math.max(...waited) <= 5_000);
  assert.equal(refusal, undefined);
});

for (const refused of [
  new HeddleError('HOST_MISMATCH', { problem: 'the certificate is that of host h9, not of h1' }),
  new HeddleError('PROTOCOL_MISMATCH', { have: 1, want: 2 }),
  new HeddleError('VTEP_TAKEN', { vtep: '198.18.0.1', host: 'h2' }),
])
  test(`one that refuses a hello, too: ${refused.code}`, async (t) => {
    const { waited, lost, refusal } = await waits(t, byMessages(refusing(refused)), 20);
    assert.ok(waited.at(-1)! >= shutOutMs / 2, String(waited.at(-1)));
    assert.deepEqual([refusal?.code, lost[0]?.message], [refused.code, refused.message]);
  });

test('one that has this host’s old stream is asked until that has ended', async (t) => {
  const moved = new HeddleError('HOST_MISMATCH', {
    problem: 'is connected from 198.18.0.9',
    connectedFrom: '198.18.0.9',
  });
  const { waited, refusal } = await waits(t, byMessages(refusing(moved)), 20);
  assert.ok(waited.at(-1)! >= elsewhereMs / 2 && waited.at(-1)! <= elsewhereMs, String(waited.at(-1)));
  assert.equal(refusal?.code, 'HOST_MISMATCH');
});

test('one that welcomes this host and refuses what it says then, or has too much to do, is asked every few seconds', async (t) => {
  const welcome = { type: 'welcome', host: { id: 'h', number: 1 } };
  const invalid = refusing(new HeddleError('INVALID', { field: 'revision', problem: 'it is beyond the store’s' }));
  const busy = refusing(new HeddleError('RATE_LIMITED', { what: 'write', perSecond: 1, retryAfterMs: 500 }));
  for (const messages of [[welcome, invalid], [busy]]) {
    const { waited, lost, refusal } = await waits(t, byMessages(...messages), 20);
    assert.ok(Math.max(...waited) <= 5_000, String(Math.max(...waited)));
    assert.equal((lost[0] as HeddleError).code, messages.at(-1) === invalid ? 'INVALID' : 'RATE_LIMITED');
    assert.equal(refusal, undefined);
  }
});

test('A30: another host that plays the controller gets no hello: its certificate is not a controller’s', async () => {
  const authority = await makeAuthority(new Date());
  const ca = authority.certificate;
  const [own, { key, certificate }] = [await hostCertificate(authority), await hostCertificate(authority)];
  const server = createTlsServer({ key, cert: certificate, ca, minVersion: 'TLSv1.3', requestCert: true });
  server.on('upgrade', () => assert.fail('it is asked for the stream'));
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  using _ = { [Symbol.dispose]: () => void server.close() };
  const { promise, resolve } = Promise.withResolvers<Error>();
  const listener = { hello: () => assert.fail('it is said hello to'), lost: resolve };
  const credentials = () => ({ ca, cert: own.certificate, key: own.key });
  const address = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await using stream = new ControllerStream(address, credentials, listener as never);
  assert.match((await promise).message, /its certificate is not a controller’s/);
  assert.equal(stream.connected, false);
});
