import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoint, generic, network, nid, pool } from './as-docker.ts';
import { Stage } from './stage.ts';

test('an existing network with Docker’s own IPAM is refused with the command that works', async () => {
  await using stage = await Stage.open();
  const create = {
    NetworkID: nid(1),
    Options: { [generic]: { 'heddle.network': 'web', 'heddle.tenant': 'globex' } },
    IPv4Data: [{ AddressSpace: 'LocalDefault', Pool: '172.18.0.0/16', Gateway: '172.18.0.1/16' }],
    IPv6Data: [],
  };
  const text = await stage.refused('USAGE', 'NetworkDriver.CreateNetwork', create);
  assert.match(
    text,
    /docker network create -d heddle --ipam-driver heddle --ipam-opt heddle\.network=web --ipam-opt heddle\.tenant=globex NAME$/,
  );
  await stage.nothingLeft();
  // With a prefix of the network's it is no matter who gives the addresses.
  const Data = { AddressSpace: 'LocalDefault', Pool: '10.0.0.0/24', Gateway: '10.0.0.1/24' };
  await stage.ok('NetworkDriver.CreateNetwork', { ...create, IPv4Data: [Data] });
});

test('a tenant that the engine may not use is refused, whatever the options', async () => {
  await using stage = await Stage.open();
  const other = { 'heddle.tenant': 'other', 'heddle.network': 'web' };
  await stage.refused('TENANT_FORBIDDEN', 'IpamDriver.RequestPool', pool(other));
  await stage.refused('TENANT_FORBIDDEN', 'IpamDriver.RequestPool', pool({ 'heddle.tenant': 'other' }));
  const found = await stage.client.get('network', 'web', { tenant: 'other' });
  await stage.refused('NOT_FOUND', 'IpamDriver.RequestPool', pool({ 'heddle.network': found.id }));
  const asked = await network(stage, 1, { ipam: { 'heddle.network': 'web' }, driver: { 'heddle.tenant': 'other' } });
  assert.match(asked.problem ?? '', /^TENANT_FORBIDDEN: .*acme, globex/);
});

test('of a tenant that the controller does not show this host, Docker’s user is told whom to ask', async () => {
  await using stage = await Stage.open(['acme', 'ghost']);
  for (const options of [{ 'heddle.tenant': 'ghost', 'heddle.network': 'web' }, { 'heddle.tenant': 'ghost' }])
    assert.match(
      await stage.refused('TENANT_NOT_GIVEN', 'IpamDriver.RequestPool', pool(options)),
      /tenant ghost.*heddle host update h1 --tenants/,
    );
  await stage.refused('NOT_FOUND', 'IpamDriver.RequestPool', pool({ 'heddle.network': 'nothing' }));
});

test('options that do not exist, and those that contradict each other, are refused', async () => {
  await using stage = await Stage.open();
  const text = await stage.refused('OPTION_UNKNOWN', 'IpamDriver.RequestPool', pool({ 'heddle.colour': 'blue' }));
  assert.match(text, /heddle\.network/);
  const contradicts = async (n: number, driver: object) =>
    (await network(stage, n, { ipam: { 'heddle.network': 'web' }, driver })).problem ?? '';
  assert.match(await contradicts(1, { 'heddle.network': 'four' }), /^USAGE: .*two networks/);
  assert.match(await contradicts(2, { 'com.docker.network.driver.mtu': '1400' }), /^USAGE: .*MTU/);
  assert.match(await contradicts(3, { 'com.docker.network.bridge.name': 'br0' }), /^OPTION_UNKNOWN/);
  assert.equal(
    await contradicts(4, { 'heddle.network': 'web', 'heddle.tenant': 'acme' }).then((t) => t || 'agrees'),
    'agrees',
  );
  await stage.refused('USAGE', 'IpamDriver.RequestPool', pool({ 'heddle.network': 'four' }, { V6: true }));
  await stage.refused('USAGE', 'IpamDriver.RequestPool', pool({ 'heddle.network': 'web' }, { Pool: '10.1.0.0/24' }));
  await stage.refused(
    'POOL_INVALID',
    'IpamDriver.RequestPool',
    pool({ 'heddle.network': 'web' }, { SubPool: '10.0.0.0/28' }),
  );
});

test('options for the network driver alone are refused with the command that works', async () => {
  await using stage = await Stage.open();
  const alone = await network(stage, 1, { driver: { 'heddle.network': 'web' } });
  assert.match(alone.problem ?? '', /Use: docker network create .*--ipam-opt heddle\.network=web NAME$/);
  const tenant = await network(stage, 2, { driver: { 'heddle.tenant': 'globex' } });
  assert.match(tenant.problem ?? '', /^USAGE: .*Give --ipam-opt heddle\.tenant=globex too$/);
  // With its prefix it can be nothing else.
  const fields = { Pool: '10.0.0.0/24' };
  assert.equal((await network(stage, 3, { fields, driver: { 'heddle.network': 'web' } })).problem, undefined);
});

test('Kuryr’s names of options are taken for ours', async () => {
  await using stage = await Stage.open();
  const web = await stage.client.get('network', 'web', { tenant: 'acme' });
  for (const options of [{ 'neutron.net.name': 'web' }, { 'neutron.net.uuid': web.id }])
    assert.equal((await stage.ok('IpamDriver.RequestPool', pool(options))).Pool, '10.0.0.0/24');
  const named = { 'neutron.net.name': 'web', 'neutron.subnet.name': 'web4', 'neutron.subnet.v6.name': 'web6' };
  assert.equal((await stage.ok('IpamDriver.RequestPool', pool(named))).Pool, '10.0.0.0/24');
  assert.equal((await stage.ok('IpamDriver.RequestPool', pool(named, { V6: true }))).Pool, 'fd00:1::/64');
});

test('two tenants with one prefix on one engine stay apart; the one that is meant is the one asked for last', async () => {
  await using stage = await Stage.open();
  const one = await network(stage, 1, { ipam: { 'heddle.network': 'web' } });
  const two = await network(stage, 2, { ipam: { 'heddle.network': 'web', 'heddle.tenant': 'globex' } });
  const a = await endpoint(stage, one, 1);
  const b = await endpoint(stage, two, 2);
  assert.deepEqual(a.addresses, b.addresses);
  const networks = stage.plugin.records.networks();
  assert.deepEqual(networks.map((n) => n.tenant).sort(), ['acme', 'globex']);
  // Both asked for before either is made: which one is meant cannot be known.
  for (const tenant of ['acme', 'globex'])
    await stage.ok('IpamDriver.RequestPool', pool({ 'heddle.network': 'web', 'heddle.tenant': tenant }));
  const third = { ...one.create, NetworkID: nid(3) };
  await stage.refused('USAGE', 'NetworkDriver.CreateNetwork', third);
  const Options = { [generic]: { 'heddle.network': 'web', 'heddle.tenant': 'globex' } };
  await stage.ok('NetworkDriver.CreateNetwork', { ...third, Options });
  assert.equal(stage.plugin.records.networks().find((n) => n.id === nid(3))?.tenant, 'globex');
});

test('Docker that goes round in a circle, because it does not like a prefix, is told how to name it', async () => {
  await using stage = await Stage.open();
  for (let i = 0; i < 8; i++) await stage.ok('IpamDriver.RequestPool', pool({ 'heddle.network': 'web' }));
  const text = await stage.refused('USAGE', 'IpamDriver.RequestPool', pool({ 'heddle.network': 'web' }));
  assert.match(text, /--subnet 10\.0\.0\.0\/24/);
  await stage.ok('IpamDriver.RequestPool', pool({ 'heddle.network': 'web' }, { Pool: '10.0.0.0/24' }));
});
