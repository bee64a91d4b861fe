/** Certificates as TLS 1.3 takes them, between real sockets. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { it } from 'node:test';
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  createServer,
  type PeerCertificate,
  type TLSSocket,
} from 'node:tls';
import { crossSign, type KeyedCertificate, makeAuthority } from './authority-certificate.ts';
import { parseBundle } from './bundle.ts';
import { AGENT_NAME, CONTROLLER_URI, problemAt, verifyIdentity } from './identity.ts';
import { issueServer } from './issue.ts';
import { hostCertificate, hostId } from './test-hosts.ts';
import { DAY_MS } from './validity.ts';

const now = new Date();
const names = [{ type: 'ip', value: '127.0.0.1' }] as const;

interface Seen {
  /** Why the client was not content; undefined if it was. */
  readonly client: string | undefined;
  /** Whom the server saw. */
  readonly server: string;
}

/** One connection: a server that shows `server` and believes `believed`, and a client with these options. */
async function meet(server: KeyedCertificate, believed: string, options: ConnectionOptions): Promise<Seen> {
  const authorities = parseBundle(believed);
  const seen = Promise.withResolvers<string>();
  const listener = createServer(
    {
      ...{ key: server.key, cert: server.certificate, ca: believed },
      ...{ minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: false },
    },
    (socket: TLSSocket) => {
      const raw = socket.getPeerX509Certificate()?.raw;
      const found = raw ? verifyIdentity(raw, authorities) : 'nobody';
      if (typeof found === 'string') seen.resolve(found);
      else seen.resolve(problemAt(found, now) ?? found.identity.kind);
      socket.end('hello');
    },
  );
  listener.on('tlsClientError', (e: NodeJS.ErrnoException) => seen.resolve(e.code ?? e.message));
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  try {
    const client = connect({
      ...{ host: '127.0.0.1', port, servername: '', minVersion: 'TLSv1.3' },
      checkServerIdentity: (_, { subjectaltname = '' }) =>
        subjectaltname.includes(CONTROLLER_URI) ? undefined : new Error('no controller'),
      ...options,
    });
    const failed = once(client, 'error').then(([e]) => (e as NodeJS.ErrnoException).code ?? (e as Error).message);
    const problem = await Promise.race([failed, once(client, 'data').then(() => undefined)]);
    client.destroy();
    return { client: problem, server: await seen.promise };
  } finally {
    listener.close();
  }
}
const shown = ({ certificate, key }: KeyedCertificate): ConnectionOptions => ({ cert: certificate, key });

const ours = await makeAuthority(now);
const foreign = await makeAuthority(now);
const server = await issueServer(ours, names, now);

it('who has a certificate of the same authority is let in, and content', async () => {
  const seen = await meet(server, ours.certificate, { ca: ours.certificate, ...shown(await hostCertificate(ours)) });
  assert.deepEqual(seen, { client: undefined, server: 'host' });
});

it('A30: without a certificate nobody is known', async () => {
  assert.deepEqual(await meet(server, ours.certificate, { ca: ours.certificate }), {
    client: undefined,
    server: 'nobody',
  });
});

it('A30: a certificate of another authority, one that has expired, and one that is not valid yet, do not count', async () => {
  const cases: [problem: string, KeyedCertificate][] = [
    ['of another authority', await hostCertificate(foreign)],
    ['expired', await hostCertificate(ours, { now: new Date(now.getTime() - 4 * DAY_MS) })],
    ['not valid yet', await hostCertificate(ours, { now: new Date(now.getTime() + DAY_MS) })],
    ['controller', server],
    ['of no host', ours],
  ];
  for (const [problem, certificate] of cases) {
    const seen = await meet(server, ours.certificate, { ca: ours.certificate, ...shown(certificate) });
    assert.deepEqual(seen, { client: undefined, server: problem });
  }
});

it('A30: a certificate without its key gets nobody anywhere', async () => {
  const { certificate } = await hostCertificate(ours);
  const { key } = await hostCertificate(ours, { id: hostId });
  assert.throws(() => connect({ port: 1, cert: certificate, key }), /key values mismatch/);
});

it('A30: a client refuses a controller of another authority, an expired one, and a host that plays one', async () => {
  const client = { ca: ours.certificate };
  const cases: [code: string, KeyedCertificate][] = [
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', await issueServer(foreign, names, now)],
    ['CERT_HAS_EXPIRED', await issueServer(ours, names, new Date(now.getTime() - 4 * DAY_MS))],
    ['no controller', await hostCertificate(ours)],
  ];
  for (const [code, shows] of cases) assert.equal((await meet(shows, ours.certificate, client)).client, code);
  assert.equal((await meet(server, ours.certificate, client)).client, undefined, 'the twin');
});

it('A30: a client that looks at names takes no host for a controller, whatever that is called', async () => {
  const host = await hostCertificate(ours, { name: 'localhost' });
  const named = await issueServer(ours, [...names, { type: 'dns', value: 'localhost' }], now);
  // Node's own look at names; by an address it goes where no name is said.
  const looking = (servername: string, host: string) => ({
    ...{ ca: ours.certificate, servername },
    checkServerIdentity: (_: string, shown: PeerCertificate) => checkServerIdentity(servername || host, shown),
  });
  for (const options of [looking('localhost', ''), looking('', '127.0.0.1')]) {
    assert.equal((await meet(host, ours.certificate, options)).client, 'ERR_TLS_CERT_ALTNAME_INVALID');
    assert.equal((await meet(named, ours.certificate, options)).client, undefined, 'the twin');
  }
  assert.equal(
    (await meet(host, ours.certificate, looking(AGENT_NAME, ''))).client,
    undefined,
    'as a host it is known',
  );
});

it('A30: who speaks TLS 1.2 at most is refused', async () => {
  const old: ConnectionOptions = { ca: ours.certificate, minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' };
  const seen = await meet(server, ours.certificate, old);
  assert.match(seen.client ?? '', /PROTOCOL_VERSION/);
  assert.match(seen.server, /UNSUPPORTED_PROTOCOL/);
});

it('while an authority takes over, who believes the old one, the new one or both goes on; then the old one is over', async () => {
  const next = await makeAuthority(now);
  const cross = await crossSign(next.certificate, ours, now);
  const { certificate, key } = await issueServer(next, names, now);
  const rotated = { certificate: certificate + cross, key };
  const both = next.certificate + ours.certificate;
  const hosts = [await hostCertificate(ours), await hostCertificate(next)];
  for (const ca of [ours.certificate, next.certificate, both])
    for (const host of hosts)
      assert.deepEqual(await meet(rotated, both, { ca, ...shown(host) }), { client: undefined, server: 'host' });
  const stranger = await meet(rotated, both, { ca: foreign.certificate });
  assert.ok(stranger.client, 'another installation believes none of it');

  const retired = { certificate, key };
  const seen = await meet(retired, next.certificate, { ca: both, ...shown(hosts[0]!) });
  assert.deepEqual(seen, { client: undefined, server: 'of another authority' });
  assert.deepEqual(await meet(retired, next.certificate, { ca: next.certificate, ...shown(hosts[1]!) }), {
    client: undefined,
    server: 'host',
  });
  const old = await meet(retired, next.certificate, { ca: ours.certificate });
  assert.match(old.client ?? '', /^(UNABLE_TO_VERIFY_LEAF_SIGNATURE|SELF_SIGNED_CERT_IN_CHAIN)$/);
});
