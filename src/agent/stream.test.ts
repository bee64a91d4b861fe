/** How often a controller is asked that does not answer as it should. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { HeddleError, toProblem } from '../model/errors.ts';
import { ControllerStream } from './stream.ts';
import { shutOutMs } from './verdict.ts';

/** The waits between so many attempts at a controller that answers each with `refusal`; none of them takes its time. */
async function waits(t: TestContext, refusal: HeddleError, attempts: number) {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-stream-'));
  t.after(() => rm(dir, { recursive: true }));
  const server = createServer();
  server.on('upgrade', (_, socket) => {
    const body = JSON.stringify(toProblem(refusal));
    socket.end(`HTTP/1.1 401 No\r\ncontent-type: application/problem+json\r\nconnection: close\r\n\r\n${body}`);
  });
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
  const { waited, lost, refusal } = await waits(t, new HeddleError('CERTIFICATE_REVOKED', { host: 'h1' }), 20);
  assert.ok(waited[0]! <= 50, 'at once at first');
  assert.ok(waited.at(-1)! >= shutOutMs / 2 && waited.at(-1)! <= shutOutMs, String(waited.at(-1)));
  assert.equal(refusal?.code, 'CERTIFICATE_REVOKED');
  assert.match(lost[0]!.message, /the certificate of host h1 is revoked/);
});

test('one that is away, or has too much to do, is asked every few seconds', async (t) => {
  const { waited, refusal } = await waits(t, new HeddleError('BUSY', { tries: 5 }), 20);
  assert.ok(Math.max(...waited) <= 5_000);
  assert.equal(refusal, undefined);
});
