import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent, request as askByTls } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { after, test } from 'node:test';
import { connect, type TLSSocket } from 'node:tls';
import { pino } from 'pino';
import type { Observed } from '../listen/observed-routes.ts';
import type { TlsContext } from '../listen/tls-server.ts';
import { hasCode } from '../model/errors.ts';
import { crossSign, type KeyedCertificate, makeAuthority } from '../trust/authority-certificate.ts';
import { issueServer } from '../trust/issue.ts';
import { hostCertificate } from '../trust/test-hosts.ts';
import { startAgent } from './main.ts';
import { serveMetrics } from './metrics-server.ts';

const log = pino({ level: 'silent' });
const observed: Observed = {
  metrics: async () => 'heddle_gateways 4\n',
  readiness: () => [{ name: 'state', ok: false, detail: 'nothing is known' }],
};
const authority = await makeAuthority(new Date());
const byName = { ca: authority.certificate, servername: 'agent.heddle.internal' };

/** A host's certificate, until it takes another one; `asked`: how often it was to be renewed. */
function ownOf({ certificate, key }: KeyedCertificate) {
  const listeners = new Set<(context: TlsContext) => void>();
  const own = {
    context: { key, cert: certificate, ca: authority.certificate },
    asked: 0,
    onRenewed(listener: (context: TlsContext) => void) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    renewNow: () => void own.asked++,
    take(next: KeyedCertificate) {
      own.context = { ...own.context, key: next.key, cert: next.certificate };
      for (const listener of listeners) listener(own.context);
    },
    listeners,
  };
  return own;
}
const h1 = await hostCertificate(authority);
const serialOf = (certificate: string) => new X509Certificate(certificate).serialNumber;

// What is not disposed of by a test that fails keeps no process alive.
const agents = new Set<Agent>();
after(() => {
  for (const agent of agents) agent.destroy();
});
/** A client of the server with these options, whose connections stay open. */
function scraper(address: string, options: object = byName) {
  const agent = new Agent({ keepAlive: true, ...options });
  agents.add(agent);
  return async (path: string, method = 'GET') => {
    const asked = askByTls(`${address}${path}`, { agent, method, ...options }).end();
    const [answer] = await once(asked, 'response');
    const { serialNumber } = (asked.socket as TLSSocket).getPeerCertificate();
    return { status: answer.statusCode as number, text: await text(answer), serialNumber };
  };
}

test('metrics and readiness are served on the address, and nothing else', async () => {
  await using server = await serveMetrics('127.0.0.1:0', observed, ownOf(h1), log);
  const get = scraper(server.address);
  assert.match((await get('/metrics')).text, /^heddle_gateways 4$/m);
  const { status, text } = await get('/readyz');
  assert.deepEqual([status, text], [503, 'not ready\nstate: nothing is known\n']);
  assert.equal((await get('/healthz')).text, 'ok\n');
  assert.equal((await get('/v1/status')).status, 404);
  assert.equal((await get('/metrics', 'POST')).status, 404);
});

test('whoever speaks no TLS, or TLS 1.2, gets nothing; whoever believes another authority, or asks by another name, refuses it', async () => {
  await using server = await serveMetrics('127.0.0.1:0', observed, ownOf(h1), log);
  const { port } = new URL(server.address);
  const plain = connectTcp({ host: '127.0.0.1', port: Number(port) });
  plain.end('GET /metrics HTTP/1.1\r\nhost: h1\r\nconnection: close\r\n\r\n');
  // An alert of TLS at most.
  assert.doesNotMatch(await text(plain).catch(() => ''), /HTTP|heddle/);
  const foreign = (await makeAuthority(new Date())).certificate;
  for (const [options, why] of [
    [{ maxVersion: 'TLSv1.2' }, /alert protocol version/],
    [{ ca: foreign }, /self-signed certificate in certificate chain/],
    [{ servername: 'h1' }, /does not match certificate's altnames/],
    [{ servername: '' }, /does not match certificate's altnames/],
  ] as const)
    await assert.rejects(scraper(server.address, { ...byName, ...options })('/metrics'), why);
  assert.equal((await scraper(server.address)('/healthz')).status, 200, 'the twin');
});

test('a renewed certificate is shown from the next handshake on, also one of a new authority to who believes the old one', async () => {
  const own = ownOf(h1);
  {
    await using server = await serveMetrics('127.0.0.1:0', observed, own, log);
    const before = scraper(server.address);
    assert.equal((await before('/healthz')).serialNumber, serialOf(h1.certificate));
    const next = await makeAuthority(new Date());
    const { certificate, key } = await hostCertificate(next);
    own.take({ key, certificate: certificate + (await crossSign(next.certificate, authority, new Date())) });
    assert.equal((await before('/healthz')).serialNumber, serialOf(h1.certificate), 'its connection goes on');
    for (const ca of [authority.certificate, next.certificate, authority.certificate + next.certificate]) {
      const { status, serialNumber } = await scraper(server.address, { ...byName, ca })('/healthz');
      assert.deepEqual([status, serialNumber], [200, serialOf(certificate)]);
    }
  }
  assert.equal(own.listeners.size, 0);
});

test('a certificate from before hosts served anything is renewed at once; another is not', async () => {
  const [older, now] = [ownOf(await issueServer(authority, [], new Date())), ownOf(h1)];
  const said: string[] = [];
  const telling = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) });
  for (const own of [older, now]) {
    await using _ = await serveMetrics('127.0.0.1:0', observed, own, telling);
  }
  assert.deepEqual([older.asked, now.asked, said.length], [1, 0, 1]);
  assert.match(said[0]!, /it is renewed now/);
});

test('a controller that gives no certificate with the name is said to be too old, and not asked again at once', async () => {
  const nameless = await issueServer(authority, [], new Date());
  const own = ownOf(nameless);
  const said: string[] = [];
  const telling = pino({ level: 'warn' }, { write: (line: string) => void said.push(line) });
  await using _ = await serveMetrics('127.0.0.1:0', observed, own, telling);
  own.take(nameless);
  assert.deepEqual([own.asked, said.length], [1, 2]);
  assert.match(said[1]!, /gives no certificate with the name agent\.heddle\.internal.*: upgrade it/);
  own.take(h1);
  assert.deepEqual([own.asked, said.length], [1, 2]);
});

test('its end is the end of connections too that have not ended their handshake', async () => {
  await using server = await serveMetrics('127.0.0.1:0', observed, ownOf(h1), log);
  const { port } = new URL(server.address);
  const silent = connectTcp({ host: '127.0.0.1', port: Number(port) });
  // One that comes after it is through, so the server has both.
  const through = connect({ host: '127.0.0.1', port: Number(port), ...byName });
  await Promise.all([once(silent, 'connect'), once(through, 'secureConnect')]);
  const ends = [silent, through].map((socket) => once(socket.resume(), 'close'));
  await server[Symbol.asyncDispose]();
  await Promise.all(ends);
});

test('what is no address, or is taken, is refused with the reason', async () => {
  const refused = (listen: string, why: RegExp) =>
    assert.rejects(
      serveMetrics(listen, observed, ownOf(h1), log),
      (e: Error) => hasCode(e, 'USAGE') && why.test(e.message),
    );
  for (const listen of ['9470', 'localhost:9470', '127.0.0.1', '127.0.0.1:99999', ':9470'])
    await refused(listen, /is no address to listen on: write 127\.0\.0\.1:9470/);
  await using server = await serveMetrics('127.0.0.1:0', observed, ownOf(h1), log);
  await refused(server.address.slice('https://'.length), /cannot listen: .*EADDRINUSE/);
});

test('a host that has not joined has no certificate to serve with, and its agent says so at its start', async () => {
  const stateDir = mkdtempSync(join(tmpdir(), 'heddle-metrics-'));
  const options = { stateDir, controller: 'unix:/run/none', metricsListen: '127.0.0.1:0', log };
  try {
    await assert.rejects(startAgent(options as never), {
      code: 'USAGE',
      message: /this host has none: heddle agent join/,
    });
  } finally {
    rmSync(stateDir, { recursive: true });
  }
});
