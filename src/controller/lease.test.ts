import assert from 'node:assert/strict';
import { it } from 'node:test';
import { gatewayMac, type Ip, parseIp } from '../model/address.ts';
import type { Lease } from '../model/kinds.ts';
import { derivedMac } from './addresses.ts';
import type { Connected } from './presence.ts';
import type { LeaseRecord } from './records.ts';
import { openFurnishedApi, type TestApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';

const t = '/v1/tenants/acme';
const lease = (api: TestApi, host: string, size: number, more: object = {}): Promise<Lease> =>
  api.ok('POST', `${t}/leases`, { network: 'web', host, size, ...more });
const show = (api: TestApi, name: string): Promise<Lease> => api.ok('GET', `${t}/leases/${name}`);

/** A tenant with a network of few addresses: 10.9.0.1 to 10.9.0.6, without a gateway. */
async function openSmallApi(): Promise<TestApi> {
  const api = await openFurnishedApi();
  await api.ok('POST', `${t}/networks`, { name: 'small' });
  await api.ok('POST', `${t}/subnets`, { name: 's', network: 'small', cidr: '10.9.0.0/29', gateway: null });
  return api;
}
/** Makes a host connected, with an agent that gives back what is asked of it, after some turns of the loop. */
function connect(api: TestApi, name: string, keeps: readonly string[] = []): void {
  const { id } = api.world.find('host', '-', name)!.record;
  api.presence.arrive(id, { hello: {}, applied: -1n, ports: new Map() } as unknown as Connected);
  api.world.listeners.add((changes) => {
    for (const { kind, after } of changes) {
      const record = after?.record as LeaseRecord | undefined;
      const more = record && kind === 'lease' && record.host === id && record.size < record.addresses.length;
      if (more && record.addresses.some(({ ip }) => !keeps.includes(ip)))
        setImmediate(() => api.ok('PATCH', `${t}/leases/${record.id}`, { addresses: keeps }));
    }
  });
}

it('holds the lowest free addresses of each family for a host, and no port gets them', async () => {
  await using api = await openFurnishedApi();
  const made = await lease(api, 'h1', 2);
  assert.equal(made.name, 'web-h1');
  assert.deepEqual(made.addresses, ['10.0.0.2', '10.0.0.3', 'fd00::2', 'fd00::3']);
  const other = await lease(api, 'h2', 1);
  assert.deepEqual(other.addresses, ['10.0.0.4', 'fd00::4']);
  const port = await api.ok('POST', `${t}/ports`, { network: 'web', host: 'h1' });
  assert.deepEqual(port.addresses, ['10.0.0.5', 'fd00::5']);
  const details = await api.refused('ADDRESS_TAKEN', 'POST', `${t}/ports`, { network: 'web', addresses: ['10.0.0.2'] });
  assert.deepEqual(details, { address: '10.0.0.2', host: 'h1' });
  const mac = derivedMac(made.network, parseIp('10.0.0.3'));
  assert.deepEqual(await api.refused('MAC_TAKEN', 'POST', `${t}/ports`, { network: 'web', mac }), { mac, host: 'h1' });
  await assertNoLeak(api.store);
});

it('refuses the gateways’ MAC', async () => {
  await using api = await openFurnishedApi();
  await api.refused('MAC_RESERVED', 'POST', `${t}/ports`, { network: 'web', mac: gatewayMac });
});

it('is the same lease if it is asked for again, brought to the size asked for', async () => {
  await using api = await openFurnishedApi();
  const first = await lease(api, 'h1', 2);
  const again = await api.request('POST', `${t}/leases`, { network: 'web', host: 'h1', size: 2 });
  assert.deepEqual([again.status, again.body], [200, first]);
  const larger = await lease(api, 'h1', 3, { addresses: ['10.0.0.50'] });
  assert.equal(larger.id, first.id);
  assert.deepEqual(larger.addresses.filter((a) => !a.includes(':')).toSorted(), ['10.0.0.2', '10.0.0.3', '10.0.0.50']);
  await api.refused('ID_TAKEN', 'POST', `${t}/leases`, { name: 'x', network: 'web', host: 'h1', size: 3 });
  await api.ok('DELETE', `${t}/leases/web-h1`);
  await lease(api, 'h1', 0, { name: 'mine' });
  await assertNoLeak(api.store);
});

it('gives its addresses with their MACs to ports of its host, and gets them back', async () => {
  await using api = await openFurnishedApi();
  const before = await lease(api, 'h1', 3);
  const addresses = ['10.0.0.3', 'fd00::4'];
  const { revision } = api.world;
  const port = await api.ok('POST', `${t}/ports`, { name: 'p', network: 'web', host: 'h1', addresses });
  assert.equal(api.world.revision, revision + 1n, 'one write');
  assert.equal(port.mac, derivedMac(before.network, parseIp('10.0.0.3')));
  assert.deepEqual((await show(api, 'web-h1')).addresses, ['10.0.0.2', '10.0.0.4', 'fd00::2', 'fd00::3']);
  await assertNoLeak(api.store);
  await api.ok('DELETE', `${t}/ports/p`);
  const after = await show(api, 'web-h1');
  assert.deepEqual(after.addresses.toSorted(), before.addresses.toSorted());
  const held = api.world.lease.get(after.id)!.record.addresses;
  for (const { ip, mac } of held) assert.equal(mac, derivedMac(after.network, ip));
  await assertNoLeak(api.store);
});

it('gives no address to another host’s port, or to one that is unbound', async () => {
  await using api = await openFurnishedApi();
  await lease(api, 'h1', 2);
  for (const host of ['h2', null])
    await api.refused('ADDRESS_TAKEN', 'POST', `${t}/ports`, { network: 'web', host, addresses: ['10.0.0.2'] });
  const port = { name: 'p', network: 'web', addresses: ['10.0.0.9'] };
  await api.ok('POST', `${t}/ports`, { ...port, host: 'h2' });
  await api.ok('DELETE', `${t}/ports/p`);
  await api.ok('POST', `${t}/ports`, port);
  await api.ok('DELETE', `${t}/ports/p`);
  assert.ok(!(await show(api, 'web-h1')).addresses.includes('10.0.0.9'));
  await assertNoLeak(api.store);
});

it('takes addresses back whatever MAC their port had, but none from outside the pools', async () => {
  await using api = await openFurnishedApi();
  await api.ok('PATCH', `${t}/subnets/v4`, { pools: [{ first: '10.0.0.10', last: '10.0.0.20' }] });
  await lease(api, 'h1', 1);
  const taken = derivedMac(
    api.world.find('lease', api.world.find('tenant', '-', 'acme')!.record.id, 'web-h1')!.record.network,
    '10.0.0.15' as Ip,
  );
  await api.ok('POST', `${t}/ports`, { name: 'thief', network: 'web', mac: taken, addresses: [] });
  const body = {
    network: 'web',
    host: 'h1',
    mac: '02:00:00:00:00:07',
    addresses: ['10.0.0.15', '10.0.0.10', '10.0.0.99'],
  };
  await api.ok('POST', `${t}/ports`, { ...body, name: 'p' });
  await api.ok('DELETE', `${t}/ports/p`);
  const { addresses } = await show(api, 'web-h1');
  assert.deepEqual(addresses.toSorted(), ['10.0.0.10', '10.0.0.15', 'fd00::2']);
  await assertNoLeak(api.store);
});

it('keeps, claims and gives back exactly the addresses of an update, then is topped up', async () => {
  await using api = await openFurnishedApi();
  await lease(api, 'h1', 2);
  const changed = await api.ok('PATCH', `${t}/leases/web-h1`, { addresses: ['10.0.0.3', 'fd00::2', '10.0.0.77'] });
  assert.deepEqual(changed.addresses, ['10.0.0.3', 'fd00::2', '10.0.0.77', 'fd00::4']);
  const more = await api.ok('PATCH', `${t}/leases/web-h1`, { size: 4 });
  assert.deepEqual(more.addresses.slice(4), ['10.0.0.2', '10.0.0.4', 'fd00::3', 'fd00::5']);
  const less = await api.ok('PATCH', `${t}/leases/web-h1`, { size: 1 });
  assert.deepEqual(less.addresses, more.addresses, 'a smaller size takes nothing away');
  const { revision } = api.world;
  await api.ok('PATCH', `${t}/leases/web-h1`, { size: 1 });
  assert.equal(api.world.revision, revision, 'nothing changed, nothing written');
  await api.refused('ADDRESS_RESERVED', 'PATCH', `${t}/leases/web-h1`, { addresses: ['10.0.0.1'] });
  await api.refused('INVALID', 'PATCH', `${t}/leases/web-h1`, { addresses: ['fd00::2', 'fd00::2'] });
  await api.refused('IMMUTABLE', 'PATCH', `${t}/leases/web-h1`, { host: 'h2' });
  await assertNoLeak(api.store);
});

it('gives what there is, to the last address; then the refusal names subnets, their use, and the way to grow', async () => {
  await using api = await openSmallApi();
  const small = (host: string, size: number) => api.request('POST', `${t}/leases`, { network: 'small', host, size });
  assert.equal((await small('h1', 4)).body.addresses.length, 4);
  assert.equal((await small('h2', 4)).body.addresses.length, 2);
  await api.ok('POST', `${t}/ports`, { network: 'small', host: 'h2', addresses: ['10.9.0.6'] });
  await api.refused('ADDRESS_POOL_EXHAUSTED', 'POST', `${t}/ports`, { network: 'small', host: 'h2' });
  await api.ok('POST', `${t}/ports`, { network: 'small', host: 'h2', addresses: ['10.9.0.5'] });
  const started = performance.now();
  const { body } = await api.request('POST', `${t}/ports`, { network: 'small' });
  assert.ok(performance.now() - started < 1_000, 'nobody is connected, so nobody is waited for');
  assert.equal(
    body.detail,
    'network small has no free IPv4 address; subnet s (10.9.0.0/29, pool 10.9.0.1-10.9.0.6): 2 used by ports, 4 held by hosts (h1: 4). Add a subnet: heddle subnet create small-more --tenant acme --network small --cidr <prefix>',
  );
  await api.refused('ADDRESS_POOL_EXHAUSTED', 'PATCH', `${t}/leases/small-h2`, { size: 1 });
  await api.refused('ADDRESS_POOL_EXHAUSTED', 'PATCH', `${t}/leases/small-h1`, { size: 5 });
  await api.ok('PATCH', `${t}/leases/small-h1`, { size: 5, labels: { a: 'b' } });
  await api.ok('POST', `${t}/subnets`, { name: 'more', network: 'small', cidr: '10.9.1.0/24' });
  assert.deepEqual((await api.ok('PATCH', `${t}/leases/small-h2`, { size: 1 })).addresses, ['10.9.1.2']);
  await assertNoLeak(api.store);
});

it('has connected hosts give back what they hold unused, when nothing else is free', async () => {
  await using api = await openSmallApi();
  connect(api, 'h1', ['10.9.0.2']);
  await api.ok('POST', `${t}/leases`, { network: 'small', host: 'h1', size: 6 });
  const port = await api.ok('POST', `${t}/ports`, { network: 'small' });
  assert.deepEqual(port.addresses, ['10.9.0.1']);
  assert.deepEqual((await show(api, 'small-h1')).addresses, ['10.9.0.2']);
  const rest = await api.ok('POST', `${t}/leases`, { network: 'small', host: 'h2', size: 6 });
  assert.equal(rest.addresses.length, 4);
  await assertNoLeak(api.store);
});

it('gives an address that a host holds to no port that names none, also not its own, unless the host gives it back', async () => {
  await using api = await openSmallApi();
  await api.ok('POST', `${t}/leases`, { network: 'small', host: 'h1', size: 6 });
  await api.refused('ADDRESS_POOL_EXHAUSTED', 'POST', `${t}/ports`, { network: 'small', host: 'h1' });
  connect(api, 'h1', ['10.9.0.1']);
  const port = await api.ok('POST', `${t}/ports`, { network: 'small', host: 'h1' });
  assert.deepEqual(port.addresses, ['10.9.0.2'], 'the host has a use for the first by now');
  await assertNoLeak(api.store);
});

it('has an address given back that is asked for by name, and refuses if it is promised already', async () => {
  await using api = await openSmallApi();
  connect(api, 'h1', ['10.9.0.3']);
  await api.ok('POST', `${t}/leases`, { network: 'small', host: 'h1', size: 3 });
  await api.ok('POST', `${t}/ports`, { network: 'small', host: 'h2', addresses: ['10.9.0.2'] });
  const { body } = await api.request('POST', `${t}/ports`, { network: 'small', addresses: ['10.9.0.3'] });
  assert.deepEqual([body.code, body.details], ['ADDRESS_TAKEN', { address: '10.9.0.3', host: 'h1' }]);
});

it('keeps no subnet or network from being deleted: what it held is free in the same write', async () => {
  await using api = await openFurnishedApi();
  await lease(api, 'h1', 2);
  await lease(api, 'h2', 2);
  const port = await api.ok('POST', `${t}/ports`, { network: 'web', host: 'h1', addresses: ['10.0.0.2'] });
  await api.refused('IN_USE', 'DELETE', `${t}/subnets/v4`);
  await api.ok('DELETE', `${t}/ports/${port.id}`);
  const { revision } = api.world;
  await api.ok('DELETE', `${t}/subnets/v4`);
  assert.equal(api.world.revision, revision + 1n);
  assert.deepEqual((await show(api, 'web-h1')).addresses, ['fd00::2', 'fd00::3']);
  await assertNoLeak(api.store);
  await api.refused('IN_USE', 'DELETE', `${t}/networks/web`);
  await api.ok('DELETE', `${t}/subnets/v6`);
  await api.ok('DELETE', `${t}/networks/web`);
  for (const path of [t, '/v1/hosts/h1', '/v1/hosts/h2']) await api.ok('DELETE', path);
  const left = (await api.store.range('/')).entries.map((e) => e.key);
  assert.deepEqual(left, ['/cursor/vni'], 'no claim, name or object is left');
});

it('goes with a host that is gone, as do its ephemeral ports; its other ports are unbound', async () => {
  await using api = await openFurnishedApi();
  await lease(api, 'h1', 2);
  await lease(api, 'h2', 2);
  const stays = await api.ok('POST', `${t}/ports`, { name: 'db', network: 'web', host: 'h1' });
  await api.ok('POST', `${t}/ports`, {
    name: 'c1',
    network: 'web',
    host: 'h1',
    ephemeral: true,
    addresses: ['10.0.0.2'],
  });
  assert.equal(
    (await api.refused('IN_USE', 'DELETE', '/v1/hosts/h1')).instead,
    'if it never comes back: heddle host delete h1 --gone',
  );
  await api.refused('INVALID', 'DELETE', `${t}/networks/web?gone=true`);
  connect(api, 'h1');
  await api.refused('HOST_ONLINE', 'DELETE', '/v1/hosts/h1?gone=true');
  api.presence.leave(
    api.world.find('host', '-', 'h1')!.record.id,
    api.presence.get(api.world.find('host', '-', 'h1')!.record.id)!,
  );
  await api.ok('DELETE', '/v1/hosts/h1?gone=true');
  await api.refused('NOT_FOUND', 'GET', `${t}/leases/web-h1`);
  await api.refused('NOT_FOUND', 'GET', `${t}/ports/c1`);
  const unbound = await api.ok('GET', `${t}/ports/db`);
  assert.deepEqual([unbound.host, unbound.addresses], [undefined, stays.addresses]);
  assert.deepEqual((await lease(api, 'h2', 3)).addresses.includes('10.0.0.2'), true);
  await assertNoLeak(api.store);
});

it('gives back for a set of documents, and nothing for one that is refused all the same', async () => {
  await using api = await openSmallApi();
  for (const host of ['h1', 'h2']) {
    await lease(api, host, 3, { network: 'small' });
    connect(api, host);
  }
  await api.ok('POST', `${t}/networks`, { name: 'full' });
  await api.ok('POST', `${t}/subnets`, { name: 'f', network: 'full', cidr: '10.8.0.0/30', gateway: null });
  for (const name of ['f1', 'f2']) await api.ok('POST', `${t}/ports`, { name, network: 'full' });
  const port = (name: string, more: object = {}) => ({ kind: 'port', tenant: 'acme', name, network: 'small', ...more });
  for (const other of [port('outside', { addresses: ['192.0.2.1'] }), port('f3', { network: 'full' })])
    for (const documents of [
      [port('p1'), other],
      [other, port('p1')],
    ])
      await api.refused('DOCUMENTS_REFUSED', 'POST', '/v1/apply', { documents });
  await api.ok('POST', '/v1/apply', { documents: Array.from({ length: 6 }, (_, n) => port(`p${n}`)) });
  await assertNoLeak(api.store);
});
