import assert from 'node:assert/strict';
import { it } from 'node:test';
import { openSqlite } from '../store/sqlite.ts';
import { openFurnishedApi, openTestApi } from './test-api.ts';

const t = '/v1/tenants/acme';

it('makes, shows, lists, changes and deletes each kind, by name and by id', async () => {
  await using api = await openFurnishedApi();
  const port = await api.ok('POST', `${t}/ports`, { name: 'p1', network: 'web', labels: { tier: 'web' } });
  const network = await api.ok('GET', `${t}/networks/web`);
  assert.deepEqual(port.addresses, ['10.0.0.2', 'fd00::2']);
  assert.equal(port.network, network.id);
  assert.match(port.mac, /^02:/);
  assert.deepEqual(await api.ok('GET', `${t}/ports/${port.id}`), port);
  assert.deepEqual(await api.ok('GET', `${t}/ports/p1`), port);
  const changed = await api.ok('PATCH', `${t}/ports/p1`, { name: 'p2', labels: { tier: null, db: 'yes' } });
  assert.deepEqual(changed, { ...port, name: 'p2', labels: { db: 'yes' }, revision: changed.revision });
  await api.refused('NOT_FOUND', 'GET', `${t}/ports/p1`);
  await api.ok('POST', `${t}/ports`, { name: 'p1', network: network.id });
  const objects = ['ports/p1', 'ports/p2', 'subnets/v4', 'subnets/v6', 'networks/web'];
  for (const path of objects) assert.equal((await api.request('DELETE', `${t}/${path}`)).status, 204);
  for (const path of [t, '/v1/hosts/h1', '/v1/hosts/h2']) await api.ok('DELETE', path);
  const left = (await api.store.range('/')).entries.map((e) => e.key);
  assert.deepEqual(left, ['/cursor/vni'], 'no claim, name or object is left');
});

it('gives a port the name of its id, and its id again if it is asked for the same twice', async () => {
  await using api = await openFurnishedApi();
  const id = '01a1fbe3-73c1-7595-93b3-860e40bdeaf6';
  const body = { id, network: 'web', host: 'h1', labels: { a: '1', b: '2' } };
  const first = await api.request('POST', `${t}/ports`, body);
  assert.equal(first.status, 201);
  assert.equal(first.body.name, 'p-860e40bdeaf6');
  for (const again of [body, { id, network: 'web' }, { ...body, labels: { b: '2', a: '1' } }]) {
    const repeated = await api.request('POST', `${t}/ports`, again);
    assert.equal(repeated.status, 200);
    assert.deepEqual(repeated.body, first.body);
  }
  for (const other of [{ host: 'h2' }, { host: null }, { name: 'x' }, { mac: '02:00:00:00:00:01' }, { labels: {} }])
    await api.refused('ID_TAKEN', 'POST', `${t}/ports`, { ...body, ...other });
});

it('refuses a port id of another tenant', async () => {
  await using api = await openFurnishedApi();
  const { id } = await api.ok('POST', `${t}/ports`, { network: 'web' });
  await api.ok('POST', '/v1/tenants', { name: 'other' });
  await api.ok('POST', '/v1/tenants/other/networks', { name: 'web' });
  await api.refused('ID_TAKEN', 'POST', '/v1/tenants/other/ports', { id, network: 'web' });
});

it('lets two tenants have the same names, prefixes, addresses and MACs', async () => {
  await using api = await openFurnishedApi();
  const port = { name: 'p', network: 'web', mac: '02:00:00:00:00:01', addresses: ['10.0.0.9'] };
  await api.ok('POST', `${t}/ports`, port);
  await api.ok('POST', '/v1/tenants', { name: 'other' });
  const network = await api.ok('POST', '/v1/tenants/other/networks', { name: 'web' });
  assert.equal(network.vni, 2);
  await api.ok('POST', '/v1/tenants/other/subnets', { name: 'v4', network: 'web', cidr: '10.0.0.0/24' });
  await api.ok('POST', '/v1/tenants/other/ports', port);
  assert.equal((await api.ok('GET', '/v1/tenants/other/ports')).items.length, 1);
});

it('binds a port, refuses to move it, and lets it be moved by way of unbound', async () => {
  await using api = await openFurnishedApi();
  const { host } = await api.ok('POST', `${t}/ports`, { name: 'p', network: 'web', host: 'h1' });
  assert.equal((await api.ok('PATCH', `${t}/ports/p`, { host: 'h1' })).host, host);
  await api.refused('PORT_BOUND', 'PATCH', `${t}/ports/p`, { host: 'h2' });
  const unbound = await api.ok('PATCH', `${t}/ports/p`, { host: null });
  assert.deepEqual([unbound.host, unbound.status], [undefined, { condition: 'unbound' }]);
  const moved = await api.ok('PATCH', `${t}/ports/p`, { host: 'h2' });
  assert.notEqual(moved.host, host);
  assert.deepEqual(moved.status, { condition: 'unknown' });
  await api.ok('DELETE', '/v1/hosts/h1');
});

it('gives a freed VNI again only after all others of the pool', async () => {
  await using api = await openTestApi({ vniPool: { first: 10, last: 13 } });
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  const make = async (name: string) => (await api.ok('POST', `${t}/networks`, { name })).vni;
  assert.deepEqual([await make('a'), await make('b')], [10, 11]);
  await api.ok('DELETE', `${t}/networks/a`);
  assert.deepEqual([await make('c'), await make('d'), await make('e')], [12, 13, 10]);
  await api.refused('VNI_POOL_EXHAUSTED', 'POST', `${t}/networks`, { name: 'f' });
});

it('gives the lowest free address of the pools, and says when there is none', async () => {
  await using api = await openTestApi();
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  await api.ok('POST', `${t}/networks`, { name: 'web' });
  const pools = [
    { first: '10.0.0.250', last: '10.0.0.255' },
    { first: '10.0.0.0', last: '10.0.0.2' },
  ];
  const subnet = { name: 's', network: 'web', cidr: '10.0.0.0/24', pools, gateway: '10.0.0.251' };
  await api.ok('POST', `${t}/subnets`, subnet);
  const make = async () => (await api.ok('POST', `${t}/ports`, { network: 'web' })).addresses[0];
  const given = [];
  for (let i = 0; i < 6; i++) given.push(await make());
  const expected = ['10.0.0.1', '10.0.0.2', '10.0.0.250', '10.0.0.252', '10.0.0.253', '10.0.0.254'];
  assert.deepEqual(given, expected);
  const details = await api.refused('ADDRESS_POOL_EXHAUSTED', 'POST', `${t}/ports`, { network: 'web' });
  assert.deepEqual(details, {
    ...{ tenant: 'acme', network: 'web', family: 4, hosts: [] },
    subnets: [
      {
        ...{ name: 's', cidr: '10.0.0.0/24', ports: 6, held: 0 },
        pools: ['10.0.0.250-10.0.0.255', '10.0.0.0-10.0.0.2'],
      },
    ],
  });
  const { items } = await api.ok('GET', `${t}/ports`);
  await api.ok('DELETE', `${t}/ports/${items[1].id}`);
  assert.equal(await make(), '10.0.0.2');
  await api.ok('POST', `${t}/subnets`, { name: 's2', network: 'web', cidr: '10.0.1.0/24', gateway: null });
  assert.equal(await make(), '10.0.1.1', 'a second subnet takes over');
});

it('gives a /31 and a /127 both addresses', async () => {
  await using api = await openTestApi();
  await api.ok('POST', '/v1/tenants', { name: 'acme' });
  await api.ok('POST', `${t}/networks`, { name: 'web' });
  await api.ok('POST', `${t}/subnets`, { name: 'a', network: 'web', cidr: '10.0.0.0/31', gateway: null });
  await api.ok('POST', `${t}/subnets`, { name: 'b', network: 'web', cidr: 'fd00::/127', gateway: null });
  const make = async () => (await api.ok('POST', `${t}/ports`, { network: 'web' })).addresses;
  assert.deepEqual(
    [await make(), await make()],
    [
      ['10.0.0.0', 'fd00::'],
      ['10.0.0.1', 'fd00::1'],
    ],
  );
});

it('pages through a list with filters, in the order of age', async () => {
  await using api = await openFurnishedApi();
  await api.ok('POST', `${t}/networks`, { name: 'db' });
  for (let i = 0; i < 7; i++)
    await api.ok('POST', `${t}/ports`, {
      name: `p${i}`,
      network: i % 2 ? 'db' : 'web',
      labels: { odd: String(i % 2), n: String(i) },
      ...(i < 3 ? { host: 'h1' } : {}),
    });
  const names = async (query: string) =>
    (await api.ok('GET', `${t}/ports?${query}`)).items.map((p: { name: string }) => p.name);
  assert.deepEqual(await names('network=web'), ['p0', 'p2', 'p4', 'p6']);
  assert.deepEqual(await names('host=h1&network=web'), ['p0', 'p2']);
  assert.deepEqual(await names('label=odd%3D1&label=n%3D3'), ['p3']);
  assert.deepEqual(await names('name=p5'), ['p5']);
  const first = await api.ok('GET', `${t}/ports?network=web&limit=3`);
  assert.equal(first.items.length, 3);
  const second = await api.ok('GET', `${t}/ports?network=web&limit=3&after=${first.next}`);
  assert.deepEqual([second.items.length, second.items[0].name, second.next], [1, 'p6', undefined]);
  assert.equal(first.revision, String(api.world.revision));
});

it('changes pools, MTU and labels by merge patch, and removes what is set to null', async () => {
  await using api = await openFurnishedApi();
  assert.equal((await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: 1400 })).mtuBytes, 1400);
  assert.equal((await api.ok('PATCH', `${t}/networks/web`, { mtuBytes: null })).mtuBytes, undefined);
  const pools = [{ first: '10.0.0.50', last: '10.0.0.60' }];
  assert.deepEqual((await api.ok('PATCH', `${t}/subnets/v4`, { pools })).pools, pools);
  assert.equal((await api.ok('POST', `${t}/ports`, { network: 'web' })).addresses[0], '10.0.0.50');
  const host = await api.ok('PATCH', '/v1/hosts/h1', { vtep: '198.18.0.77', mtuBytes: 9000 });
  assert.deepEqual([host.vtep, host.mtuBytes, host.number], ['198.18.0.77', 9000, 1]);
  await api.ok('POST', '/v1/hosts', { name: 'h3', vtep: '198.18.0.1' });
});

it('reads what an earlier version has stored, with the defaults of the fields that came later', async () => {
  await using store = await openSqlite(':memory:');
  await using before = await openFurnishedApi({ store });
  await before.ok('POST', `${t}/ports`, { name: 'p1', network: 'web', host: 'h1' });
  for (const { key, value } of (await store.range('/')).entries)
    if (/^\/(network|port)\//.test(key)) {
      const { sourceNat, publishFrom, mssClamp, dnsNames, publish, ephemeral, ...old } = JSON.parse(value);
      await store.txn({ ops: [{ put: { key, value: JSON.stringify(old) } }] });
    }
  await using api = await openTestApi({ store });
  const network = await api.ok('GET', `${t}/networks/web`);
  assert.deepEqual([network.sourceNat, network.publishFrom, network.mssClamp], [false, [], false]);
  const port = await api.ok('GET', `${t}/ports/p1`);
  assert.deepEqual([port.dnsNames, port.publish, port.ephemeral], [[], [], false]);
});
