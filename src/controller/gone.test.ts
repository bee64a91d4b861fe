import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import { fastify } from 'fastify';
import { ClientGone, whenGone } from './gone.ts';

it('knows that a client has gone, also if it went before anybody asked', async () => {
  const asked = Promise.withResolvers<() => AbortSignal>();
  const app = fastify({ forceCloseConnections: true });
  app.get('/', (_, reply) => asked.resolve(() => whenGone(reply)));
  await app.listen({ host: '127.0.0.1', port: 0 });
  try {
    const client = new AbortController();
    const { port } = app.server.address() as AddressInfo;
    const answer = fetch(`http://127.0.0.1:${port}/`, { signal: client.signal });
    const gone = await asked.promise;
    const signal = gone();
    assert.equal(signal.aborted, false);
    client.abort();
    await assert.rejects(answer);
    if (!signal.aborted) await once(signal, 'abort');
    assert.ok(signal.reason instanceof ClientGone);
    assert.ok(gone().reason instanceof ClientGone);
  } finally {
    await app.close();
  }
});
