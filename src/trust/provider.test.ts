import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { parseIssuer, providerFetch } from './provider.ts';

async function serve(listener: RequestListener): Promise<{ issuer: string } & Disposable> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = () => {
    server.close();
    server.closeAllConnections();
  };
  return { issuer: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, [Symbol.dispose]: close };
}
const unreachable = (deed: Promise<unknown>, text: RegExp) =>
  assert.rejects(deed, (e: Error) => {
    assert.ok(hasCode(e, 'PROVIDER_UNREACHABLE'), String(e));
    assert.match(e.message, text);
    return true;
  });

test('a request goes there as it is, and its answer comes back', async () => {
  using provider = await serve(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const seen = { method: request.method, accept: request.headers.accept, body };
    response.writeHead(201, { 'content-type': 'application/json' }).end(JSON.stringify(seen));
  });
  const ask = providerFetch(provider.issuer);
  const answer = await ask(`${provider.issuer}/token`, {
    method: 'POST',
    headers: new Headers({ accept: 'x/y' }),
    body: new URLSearchParams({ a: 'b c' }),
  });
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [201, 'application/json']);
  assert.deepEqual(await answer.json(), { method: 'POST', accept: 'x/y', body: 'a=b+c' });
});

test('a redirect is an answer like others, and leads nowhere', async () => {
  let asked = 0;
  using provider = await serve((_, response) => {
    asked++;
    response.writeHead(302, { location: '/other' }).end();
  });
  assert.equal((await providerFetch(provider.issuer)(provider.issuer)).status, 302);
  assert.equal(asked, 1);
});

test('an answer without end is cut off', async () => {
  let isOver = false;
  using provider = await serve((_, response) => {
    const more = () => {
      if (!isOver) response.write('x'.repeat(65_536), () => setImmediate(more));
    };
    response.once('close', () => {
      isOver = true;
    });
    more();
  });
  await unreachable(providerFetch(provider.issuer)(provider.issuer), /over 1048576 bytes/);
  const { promise, resolve } = Promise.withResolvers<void>();
  const look = () => (isOver ? resolve() : void setImmediate(look));
  look();
  await promise;
});

test('who gives up ends it, and nothing is made of that', async () => {
  using provider = await serve(() => undefined);
  const stop = new AbortController();
  const asked = providerFetch(provider.issuer)(provider.issuer, { signal: stop.signal });
  stop.abort(new Error('enough'));
  await assert.rejects(asked, /enough/);
});

test('nothing goes where it could be read on its way', async () => {
  for (const issuer of ['https://login.example.org', 'https://127.0.0.1:1'])
    for (const url of ['http://login.example.org/jwks', 'http://127.0.0.1:1/jwks', 'file:///etc/passwd', 'jwks'])
      await unreachable(providerFetch(issuer)(url), /not https/);
  using provider = await serve((_, response) => response.end());
  for (const url of ['http://login.example.org/jwks', 'http://192.0.2.1/jwks', 'http://127.0.0.1.example.org/'])
    await unreachable(providerFetch(provider.issuer)(url), /not https/);
});

test('an issuer is a URL by TLS, or on loopback', () => {
  for (const good of [
    'https://login.example.org/realms/staff',
    'http://localhost:8080',
    'http://[::1]:1',
    'http://127.1.2.3',
  ])
    assert.ok(parseIssuer(good));
  for (const bad of [
    '',
    'x',
    'http://x.org',
    'http://127.0.0.1.x.org',
    'https://x/?a',
    'https://x/#a',
    'https://a@x',
    'ftp://x',
  ])
    assert.throws(
      () => parseIssuer(bad),
      (e) => hasCode(e, 'USAGE'),
      bad,
    );
});
