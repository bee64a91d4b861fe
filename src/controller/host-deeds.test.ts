/** What a host may do itself, as one whose certificate is stolen would try it: h1 was given acme, h2 globex. */
import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { describe, it } from 'node:test';
import { PROTOCOL } from '../model/host-state.ts';
import type { Method } from './test-api.ts';
import { during, whoIs } from './test-audit.ts';
import { type Furnished, hostOf, openTwoTenants } from './test-principals.ts';

const a = '/v1/tenants/acme';
const g = '/v1/tenants/globex';

/** A network as a host's engine makes it. */
const engine = {
  name: 'docker-0123456789ab',
  sourceNat: true,
  labels: { 'heddle.docker': 'made', 'heddle.docker.for': '0123456789abcdef' },
};

/** Port p1 of each tenant is on h1; "theirs" on h2, in both tenants, and "moved" has come from h1 to h2. */
async function open() {
  const api = await openTwoTenants();
  await api.ok('PATCH', '/v1/hosts/h2', { tenants: ['globex'] });
  for (const t of [a, g]) {
    await api.ok('POST', `${t}/ports`, { name: 'theirs', network: 'web', host: 'h2' });
    await api.ok('POST', `${t}/ports`, { name: 'moved', network: 'web', host: 'h1', standby: 'h2' });
    await api.ok('PATCH', `${t}/ports/moved`, { host: 'h2', standby: null });
    await api.ok('POST', `${t}/ports`, { name: 'seg', network: 'web', host: 'h1', segment: {} });
    await api.ok('POST', `${t}/ports`, { name: 'other-seg', network: 'web', host: 'h2', segment: {} });
  }
  return api;
}
type Try = readonly [method: Method, path: string, body?: object];
async function taken(api: Furnished, host: string, ...tries: Try[]): Promise<void> {
  for (const [method, path, body] of tries) await api.as(hostOf(api, host)).ok(method, path, body);
}
async function refused(api: Furnished, code: 'FORBIDDEN' | 'NOT_FOUND' | 'PORT_BOUND', ...tries: Try[]): Promise<void> {
  const h1 = api.as(hostOf(api, 'h1'));
  for (const [method, path, body] of tries)
    if (method === 'GET' && code === 'NOT_FOUND') await h1.hidden(path);
    else await h1.refused(code, method, path, body);
}

describe('A31: in a tenant that it was given', () => {
  it('a host makes, binds and frees ports of its own, and of nobody', async () => {
    await using api = await open();
    await taken(
      api,
      'h1',
      ['POST', `${a}/ports`, { name: 'new', network: 'web', host: 'h1' }],
      ['POST', `${a}/ports`, { name: 'free', network: 'web' }],
      ['PATCH', `${a}/ports/it`, { host: 'h1' }],
      ['PATCH', `${a}/ports/it`, { host: null, labels: { a: 'b' } }],
      ['PATCH', `${a}/ports/p1`, { publish: [{ protocol: 'tcp', port: 80, hostPort: 8080 }] }],
      ['DELETE', `${a}/ports/free`],
      ['POST', `${a}/ports`, { name: 'behind', network: 'web', behind: 'seg' }],
      ['PATCH', `${a}/ports/behind`, { addresses: [] }],
      ['DELETE', `${a}/ports/behind`],
      ['GET', `${a}/ports/theirs`],
      // It has come from here: what still comes here is passed on.
      ['PATCH', `${a}/ports/moved`, { origin: null }],
    );
  });

  it('a host comes to a port of another as its standby, and only then takes it', async () => {
    await using api = await open();
    await refused(api, 'PORT_BOUND', ['PATCH', `${a}/ports/theirs`, { host: 'h1' }]);
    await taken(
      api,
      'h1',
      ['PATCH', `${a}/ports/theirs`, { standby: 'h1' }],
      ['PATCH', `${a}/ports/theirs`, { host: 'h1' }],
      ['PATCH', `${a}/ports/theirs`, { standby: null }],
    );
  });

  it('a host touches nothing of other hosts', async () => {
    await using api = await open();
    await refused(
      api,
      'FORBIDDEN',
      ['POST', `${a}/ports`, { name: 'x', network: 'web', host: 'h2' }],
      ['POST', `${a}/ports`, { name: 'x', network: 'web', host: 'h1', standby: 'h2' }],
      ['POST', `${a}/ports`, { name: 'x', network: 'web', behind: 'other-seg' }],
      ['PATCH', `${a}/ports/it`, { host: 'h2' }],
      ['PATCH', `${a}/ports/p1`, { standby: 'h2' }],
      ['PATCH', `${a}/ports/theirs`, { labels: { a: 'b' } }],
      ['PATCH', `${a}/ports/theirs`, { standby: 'h1', labels: { a: 'b' } }],
      ['PATCH', `${a}/ports/theirs`, { standby: 'it' }],
      ['PATCH', `${a}/ports/theirs`, { host: null }],
      ['DELETE', `${a}/ports/theirs`],
      ['POST', `${a}/leases`, { network: 'web', host: 'h2', size: 1 }],
      ['PATCH', `${a}/addresses/it`, { ports: ['theirs'] }],
      ['PATCH', `${a}/addresses/it`, { labels: { a: 'b' } }],
      ['DELETE', `${a}/addresses/it`],
      ['POST', `${a}/addresses`, { name: 'x', network: 'web', ports: ['p1'] }],
    );
  });

  it('a host has no port any more that has gone to another, but to say that nothing is passed on from here', async () => {
    await using api = await open();
    await api.ok('POST', `${a}/ports`, { name: 'trunk', network: 'web', host: 'h1', standby: 'h2' });
    await api.ok('PATCH', `${a}/ports/trunk`, { host: 'h2', standby: null });
    await api.ok('POST', `${a}/ports`, { name: 'sub', network: 'web', behind: 'trunk' });
    for (const t of [a, g])
      await refused(
        api,
        'FORBIDDEN',
        ['PATCH', `${t}/ports/moved`, { labels: { a: 'b' } }],
        ['PATCH', `${t}/ports/moved`, { addresses: [] }],
        ['PATCH', `${t}/ports/moved`, { host: null }],
        ['PATCH', `${t}/ports/moved`, { origin: null, labels: { a: 'b' } }],
        ['DELETE', `${t}/ports/moved`],
      );
    await refused(api, 'PORT_BOUND', ['PATCH', `${a}/ports/moved`, { host: 'h1' }]);
    await refused(api, 'FORBIDDEN', ['PATCH', `${g}/ports/moved`, { host: 'h1' }]);
    await refused(
      api,
      'FORBIDDEN',
      ['POST', `${a}/ports`, { name: 'x', network: 'web', behind: 'trunk' }],
      ['PATCH', `${a}/ports/sub`, { labels: { a: 'b' } }],
      ['DELETE', `${a}/ports/sub`],
      ['PATCH', `${g}/ports/moved`, { standby: 'h1' }],
    );
    await api.ok('PATCH', `${a}/addresses/it`, { ports: ['moved', 'theirs'] });
    await refused(api, 'FORBIDDEN', ['PATCH', `${a}/addresses/it`, { holder: 'moved' }]);
    await taken(
      api,
      'h1',
      ['GET', `${g}/ports/moved`],
      ['PATCH', `${g}/ports/moved`, { origin: null }],
      // The guest comes back.
      ['PATCH', `${a}/ports/moved`, { standby: 'h1' }],
      ['PATCH', `${a}/ports/moved`, { host: 'h1' }],
    );
  });

  it('a host says of a shared address that a port here has it, and of no other', async () => {
    await using api = await open();
    await api.ok('PATCH', `${a}/addresses/it`, { ports: ['p1', 'theirs'] });
    await taken(api, 'h1', ['PATCH', `${a}/addresses/it`, { holder: 'p1', heardMs: 0 }]);
    await refused(
      api,
      'FORBIDDEN',
      ['PATCH', `${a}/addresses/it`, { holder: 'theirs' }],
      ['PATCH', `${a}/addresses/it`, { holder: null }],
      ['PATCH', `${a}/addresses/it`, { holder: 'p1', labels: { a: 'b' } }],
    );
  });

  it('a host has leases of its own', async () => {
    await using api = await open();
    await taken(
      api,
      'h1',
      ['PATCH', `${a}/leases/it`, { size: 2 }],
      ['DELETE', `${a}/leases/it`],
      ['POST', `${a}/leases`, { network: 'web', host: 'h1', size: 1 }],
    );
    await api.ok('POST', `${a}/leases`, { name: 'h2s', network: 'web', host: 'h2', size: 1 });
    await refused(api, 'FORBIDDEN', ['PATCH', `${a}/leases/h2s`, { size: 0 }], ['DELETE', `${a}/leases/h2s`]);
  });

  it('a host makes, names and removes networks as its engine wants them', async () => {
    await using api = await open();
    await taken(
      api,
      'h1',
      ['POST', `${a}/networks`, engine],
      ['POST', `${a}/subnets`, { name: 'e-1', network: engine.name, cidr: '10.77.0.0/24', gateway: '10.77.0.1' }],
      ['PATCH', `${a}/networks/${engine.name}`, { name: 'shop' }],
      ['POST', `${a}/ports`, { name: 'c1', network: 'shop', host: 'h1' }],
      ['POST', `${a}/subnets`, { name: 'e-2', network: 'shop', cidr: 'fd77::/64' }],
      ['DELETE', `${a}/ports/c1`],
    );
    // The last that is in it removes it, whichever made it.
    await api.ok('PATCH', '/v1/hosts/h2', { tenants: ['acme'] });
    await taken(
      api,
      'h2',
      ['DELETE', `${a}/subnets/e-1`],
      ['DELETE', `${a}/subnets/e-2`],
      ['DELETE', `${a}/networks/shop`],
    );
  });

  it('a host changes no network of users, and none of another host’s engine that is in use', async () => {
    await using api = await open();
    await api.ok('POST', `${a}/networks`, { ...engine, name: 'shop' });
    await api.ok('POST', `${a}/subnets`, { name: 'shop', network: 'shop', cidr: '10.77.0.0/24' });
    await api.ok('POST', `${a}/leases`, { name: 'shop', network: 'shop', host: 'h2', size: 1 });
    await api.ok('POST', `${a}/networks`, { ...engine, name: 'docker-00112233aabb' });
    const { labels } = engine;
    await refused(
      api,
      'FORBIDDEN',
      ['POST', `${a}/networks`, { name: 'x' }],
      ['POST', `${a}/networks`, { name: 'x', labels: { 'heddle.docker': 'no' } }],
      ['POST', `${a}/networks`, { name: 'x', labels: { ...labels, 'heddle.swarm': 'true' } }],
      ['POST', `${a}/networks`, { ...engine, name: 'x', vni: 77 }],
      ['POST', `${a}/networks`, { ...engine, name: 'x', publishFrom: ['0.0.0.0/0'] }],
      ['PATCH', `${a}/networks/it`, { name: 'x' }],
      ['PATCH', `${a}/networks/web`, { labels }],
      ['PATCH', `${a}/networks/shop`, { name: 'x' }],
      ['PATCH', `${a}/networks/docker-00112233aabb`, { name: 'x', sourceNat: false }],
      ['PATCH', `${a}/networks/docker-00112233aabb`, { publishFrom: ['0.0.0.0/0'] }],
      ['DELETE', `${a}/networks/it`],
      ['DELETE', `${a}/networks/shop`],
      ['POST', `${a}/subnets`, { name: 'x', network: 'web', cidr: '10.78.0.0/24' }],
      ['POST', `${a}/subnets`, { name: 'x', network: 'shop', cidr: '10.78.0.0/24' }],
      ['POST', `${a}/subnets`, { name: 'x', network: 'docker-00112233aabb', cidr: '10.78.0.0/24', dhcp: {} }],
      ['PATCH', `${a}/subnets/it`, { pools: [] }],
      ['PATCH', `${a}/subnets/shop`, { name: 'x' }],
      ['DELETE', `${a}/subnets/it`],
      ['DELETE', `${a}/subnets/shop`],
    );
  });
});

describe('A31: in a tenant that it was not given', () => {
  it('a host has its own ports and leases, and nothing else is there', async () => {
    await using api = await open();
    await taken(
      api,
      'h1',
      ['GET', `${g}/ports/p1`],
      ['PATCH', `${g}/ports/p1`, { labels: { a: 'b' } }],
      ['GET', `${g}/leases/it`],
      ['PATCH', `${g}/leases/it`, { size: 0 }],
      ['GET', `${g}/ports/moved`],
      ['PATCH', `${g}/ports/moved`, { origin: null }],
    );
    await refused(api, 'FORBIDDEN', ['PATCH', `${g}/ports/p1`, { standby: 'h2' }]);
    await taken(api, 'h1', ['DELETE', `${g}/ports/p1`], ['DELETE', `${g}/leases/it`]);
    await refused(
      api,
      'NOT_FOUND',
      ['GET', g],
      ['GET', `${g}/ports`],
      ['GET', `${g}/ports?host=h1`],
      ['GET', `${g}/ports/it`],
      ['GET', `${g}/ports/theirs`],
      ['PATCH', `${g}/ports/it`, { host: 'h1' }],
      ['PATCH', `${g}/ports/theirs`, { standby: 'h1' }],
      ['POST', `${g}/ports`, { name: 'x', network: 'web', host: 'h1' }],
      ['POST', `${g}/leases`, { network: 'web', host: 'h1', size: 1 }],
      ['GET', `${g}/networks/web`],
      ['GET', `${g}/ports/seg/history`],
    );
  });

  it('it is none at all to who was given every one, also those to come', async () => {
    await using api = await open();
    await api.ok('PATCH', '/v1/hosts/h1', { tenants: ['*'] });
    await api.ok('POST', '/v1/tenants', { name: 'new' });
    await taken(api, 'h1', ['GET', `${g}/ports/theirs`], ['POST', '/v1/tenants/new/networks', engine]);
    await api.ok('PATCH', '/v1/hosts/h1', { tenants: [] });
    await refused(api, 'NOT_FOUND', ['GET', `${a}/networks/web`]);
  });
});

it('A31: a host is what only the controller says, and it writes nothing of itself but by its stream', async () => {
  await using api = await open();
  await refused(
    api,
    'FORBIDDEN',
    ['PATCH', '/v1/hosts/h1', { tenants: ['*'] }],
    ['PATCH', '/v1/hosts/h1', { vtep: '198.18.0.50' }],
    ['PATCH', '/v1/hosts/h2', { vtep: '198.18.0.50' }],
    ['DELETE', '/v1/hosts/h2'],
    ['POST', '/v1/hosts', { name: 'x', vtep: '198.18.0.51' }],
    ['POST', '/v1/tenants', { name: 'x' }],
    ['POST', '/v1/tokens', { user: 'root' }],
    ['POST', '/v1/apply', { documents: [{ kind: 'network', tenant: 'acme', name: 'x' }] }],
    ['POST', '/v1/rollback', { to: '10', tenant: 'acme' }],
    ['POST', `${a}/routers`, { name: 'x' }],
    ['PATCH', `${a}/routers/it`, { labels: {} }],
    ['GET', '/v1/export'],
    ['GET', '/v1/events'],
    ['GET', '/v1/diff?since=1'],
    ['GET', '/v1/status'],
  );
});

it('A31: a host that leaves for good deletes itself, with what is bound to it', async () => {
  await using api = await open();
  await refused(api, 'FORBIDDEN', ['DELETE', '/v1/hosts/h2?gone=true']);
  await taken(api, 'h1', ['DELETE', '/v1/hosts/h1?gone=true']);
  assert.equal((await api.ok('GET', `${a}/ports/p1`)).host, undefined);
});

it('A31: a host speaks for itself alone: whatever name it says, its stream is its own, and is nowhere that another host is', async () => {
  await using api = await open();
  const say = async (name: string, vtep: string) => {
    const headers = { 'x-test-principal': JSON.stringify(hostOf(api, 'h1')) };
    const socket = await api.app.injectWS('/v1/stream', { headers, socket: new EventEmitter() } as never);
    const answer = new Promise<{ problem?: { code: string }; host?: { name: string } }>((resolve) => {
      socket.once('message', (bytes: Buffer) => resolve(JSON.parse(String(bytes))));
    });
    const hello = { type: 'hello', protocol: PROTOCOL, name, vtep, mtuBytes: 1500, version: '1', kernel: '6.18' };
    socket.send(JSON.stringify(hello));
    const { problem, host } = await answer;
    socket.terminate();
    return problem?.code ?? host?.name;
  };
  const before = await api.store.range('/');
  const records = await during(api, async () => assert.equal(await say('h2', '198.18.0.2'), 'VTEP_TAKEN'));
  assert.deepEqual(
    records.map(({ action, code, who, name }) => [action, code, who, name]),
    [['refused', 'VTEP_TAKEN', whoIs(hostOf(api, 'h1')), 'h1']],
  );
  for (const name of ['h2', 'new', 'h1']) assert.equal(await say(name, '198.18.0.1'), 'h1', name);
  assert.deepEqual(await api.store.range('/'), before);
});

it('A32: a host that is deleted or shut out has nothing, by what it still holds', async () => {
  await using api = await open();
  const h1 = hostOf(api, 'h1');
  await api.ok('POST', '/v1/hosts/h1/revoke');
  await api.as(h1).hidden(`${a}/ports/p1`);
  await api.as(h1).hidden(`${g}/ports/p1`);
  await api.as(h1).refused('UNAUTHENTICATED', 'GET', '/v1/hosts/h1');
});
