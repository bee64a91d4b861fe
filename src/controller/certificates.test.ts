/**
 * Certificates that do not count, as TLS brings them, at every route there is: the list comes from the table of routes. Each is
 * refused with a record, of nobody; a certificate that counts is its host at each.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, type AgentOptions, request } from 'node:https';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { connect, TLSSocket } from 'node:tls';
import type { HostId } from '../model/ids.ts';
import { type KeyedCertificate, makeAuthority } from '../trust/authority-certificate.ts';
import { hostCertificate } from '../trust/test-hosts.ts';
import { DAY_MS } from '../trust/validity.ts';
import { identifyBy } from './identify.ts';
import { listen } from './listen.ts';
import { streamPath } from './paths.ts';
import { type Answer, identifyAsTold } from './test-api.ts';
import { refusedWith, whoIs } from './test-audit.ts';
import { type Furnished, openTwoTenants } from './test-principals.ts';
import { legalBody, legalPath, legalQuery, nameOf, type Route, routes } from './test-routes.ts';

const ours = await makeAuthority(new Date());
const theirs = await makeAuthority(new Date());

interface Door extends AsyncDisposable {
  readonly api: Furnished;
  readonly port: number;
  /** The id of a host. */
  idOf(name: string): HostId;
  /** A request of a route by a client that shows a certificate, or none. */
  ask(route: Pick<Route, 'method' | 'url'>, shown?: KeyedCertificate): Promise<Answer>;
}

/** A controller whose authority is `ours`, which believes what TLS says of who comes by it. */
async function openDoor(): Promise<Door> {
  await using stack = new AsyncDisposableStack();
  const byTls = identifyBy({ authority: () => api.authority() });
  const api: Furnished = stack.use(
    await openTwoTenants({
      givenAuthority: ours,
      identify: (asked, ...more) => (asked.raw.socket instanceof TLSSocket ? byTls : identifyAsTold)(asked, ...more),
    }),
  );
  await api.app.ready();
  const { authority: tls, connections: counts } = api;
  const { address } = stack.use(await listen(api.app, { tcp: '127.0.0.1:0' }, { tls, counts }));
  const port = Number(new URL(address).port);
  const agents = new Map<KeyedCertificate | undefined, Agent>();
  stack.defer(() => {
    for (const agent of agents.values()) agent.destroy();
  });
  const agentOf = (shown: KeyedCertificate | undefined): Agent => {
    const own: AgentOptions = shown ? { cert: shown.certificate, key: shown.key } : {};
    const agent = agents.get(shown) ?? new Agent({ ...own, ca: ours.certificate, keepAlive: true });
    agents.set(shown, agent);
    return agent;
  };
  const ask: Door['ask'] = async (route, shown) => {
    const body = legalBody(api, route);
    const query = legalQuery[nameOf(route)];
    const path = `${legalPath(api, route)}${query ? `?${query}` : ''}`;
    const upgrade = { connection: 'upgrade', upgrade: 'websocket', 'sec-websocket-version': '13' };
    const headers = {
      ...(body && { 'content-type': 'application/json' }),
      ...(route.url === streamPath && { ...upgrade, 'sec-websocket-key': Buffer.alloc(16).toString('base64') }),
    };
    const asked = request({ host: '127.0.0.1', port, method: route.method, path, headers, agent: agentOf(shown) });
    asked.end(body && JSON.stringify(body));
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    asked.on('error', reject);
    asked.on('upgrade', ({ statusCode = 0 }, socket) => {
      socket.destroy();
      resolve({ status: statusCode, headers: {}, body: {} });
    });
    asked.on('response', async (response) => {
      const [said, type] = [await text(response), String(response.headers['content-type'])];
      const answer = type.includes('json') ? JSON.parse(said) : said;
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body: answer });
    });
    return promise;
  };
  const idOf = (name: string) => api.world.find('host', '-', name)!.record.id as HostId;
  return Object.assign(stack.move(), { api, port, idOf, ask });
}

/** What anybody may ask, whatever certificate is shown: it is not looked at. */
const open = ['GET /healthz', 'GET /v1/ca', 'POST /v1/join', 'GET /v1/login'];

describe('A30, A32: a certificate that does not count, at each route', async () => {
  const strangers: Readonly<Record<string, (door: Door) => Promise<KeyedCertificate | undefined>>> = {
    'UNAUTHENTICATED of none': async () => undefined,
    'CERTIFICATE_INVALID of another authority': (door) => hostCertificate(theirs, { id: door.idOf('h1') }),
    // After thirty days more it is not even renewed.
    'CERTIFICATE_INVALID expired': (door) =>
      hostCertificate(ours, { id: door.idOf('h1'), now: new Date(Date.now() - 40 * DAY_MS) }),
    'CERTIFICATE_INVALID not valid yet': (door) =>
      hostCertificate(ours, { id: door.idOf('h1'), now: new Date(Date.now() + DAY_MS) }),
    'CERTIFICATE_REVOKED revoked': async (door) => {
      const revoked = await hostCertificate(ours, { id: door.idOf('h2') });
      await door.api.ok('POST', '/v1/hosts/h2/revoke');
      return revoked;
    },
    'HOST_GONE of a host that was deleted': async (door) => {
      const { id } = await door.api.ok('POST', '/v1/hosts', { name: 'gone', vtep: '198.18.0.99' });
      await door.api.ok('DELETE', '/v1/hosts/gone');
      return hostCertificate(ours, { id });
    },
  };
  for (const [what, make] of Object.entries(strangers))
    it(what, async () => {
      await using door = await openDoor();
      const { api } = door;
      const shown = await make(door);
      const before = await api.store.range('/');
      for (const route of routes.filter((each) => !open.includes(nameOf(each)))) {
        const { status, body } = await refusedWith(api, whoIs(undefined), () => door.ask(route, shown));
        assert.deepEqual([status, body.code], [401, what.split(' ')[0]], nameOf(route));
      }
      assert.deepEqual(await api.store.range('/'), before, 'nothing was written');
    });

  it('and the twin that counts is its host at each', async () => {
    await using door = await openDoor();
    const h1 = await hostCertificate(ours, { id: door.idOf('h1') });
    const { body: whoami } = await door.ask({ method: 'GET', url: '/v1/whoami' }, h1);
    assert.equal(whoami.name, 'h1', JSON.stringify(whoami));
    for (const route of routes.filter((each) => !open.includes(nameOf(each)))) {
      const { status, body } = await door.ask(route, h1);
      assert.notEqual(status, 401, `${nameOf(route)}: ${JSON.stringify(body)}`);
    }
  });
});

it('A30: a handshake that fails is of nobody and asks for nothing: it has no record, and is counted', async () => {
  await using door = await openDoor();
  const { last } = await door.api.store.audit.extent();
  const old = connect({ host: '127.0.0.1', port: door.port, ca: ours.certificate, maxVersion: 'TLSv1.2' });
  await once(old, 'error');
  const plain = connect({ host: '127.0.0.1', port: door.port, ca: theirs.certificate });
  await once(plain, 'error');
  // It is heard of at both ends.
  const counted = async () =>
    /^heddle_connections_refused_total\{why="handshake"\} (\d+)$/m.exec(
      (await door.api.request('GET', '/metrics')).body,
    )?.[1];
  for (const signal = AbortSignal.timeout(60_000); (await counted()) !== '2'; await new Promise(setImmediate))
    signal.throwIfAborted();
  assert.equal((await door.api.store.audit.extent()).last, last);
  assert.equal((await door.ask({ method: 'GET', url: '/healthz' })).status, 200, 'the twin');
});
