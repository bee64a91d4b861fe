import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endpoint, gatewayRequest, network, nid, pool } from './as-docker.ts';
import { Stage } from './stage.ts';

test('addresses of another IPAM driver are claimed as they are', async () => {
  await using stage = await Stage.open();
  const Data = {
    AddressSpace: 'LocalDefault',
    Pool: '172.18.0.0/16',
    Gateway: '172.18.0.1/16',
    AuxAddresses: { a: '172.18.0.9/16' },
  };
  await stage.ok('NetworkDriver.CreateNetwork', { NetworkID: nid(1), Options: {}, IPv4Data: [Data], IPv6Data: [] });
  const ids = { NetworkID: nid(1), EndpointID: nid(1001) };
  const Interface = { Address: '172.18.0.5/16', AddressIPv6: '', MacAddress: '02:11:22:33:44:55' };
  const created = await stage.ok('NetworkDriver.CreateEndpoint', { ...ids, Interface, Options: {} });
  assert.deepEqual(created, { Interface: {} }, 'nothing is repeated that Docker gave');
  assert.deepEqual((await stage.traces()).addresses, ['172.18.0.9']);
  const same = { ...ids, EndpointID: nid(1002), Interface: { ...Interface, MacAddress: '' } };
  await stage.refused('ADDRESS_TAKEN', 'NetworkDriver.CreateEndpoint', same);
  await stage.ok('NetworkDriver.DeleteNetwork', { NetworkID: nid(1) });
  await stage.nothingLeft();
});

test('a network without a gateway gets none; the network’s gateway is confirmed and no other', async () => {
  await using stage = await Stage.open();
  const four = await stage.ok('IpamDriver.RequestPool', pool({ 'heddle.network': 'four' }));
  assert.equal(four.Data['com.docker.network.gateway'], '0.0.0.0/0');
  const web = await stage.ok('IpamDriver.RequestPool', pool({ 'heddle.network': 'web' }));
  const ask = (Address: string) => ({ PoolID: web.PoolID, Address, Options: gatewayRequest });
  assert.equal((await stage.ok('IpamDriver.RequestAddress', ask('10.0.0.1'))).Address, '10.0.0.1/24');
  await stage.refused('USAGE', 'IpamDriver.RequestAddress', ask('10.0.0.2'));
});

test('an address whose endpoint is gone is nobody else’s until Docker has released it', async () => {
  await using stage = await Stage.open();
  const net = await network(stage, 1, { ipam: { 'heddle.network': 'web' } });
  const { addresses, created: _, ...ids } = await endpoint(stage, net, 1);
  await stage.ok('NetworkDriver.DeleteEndpoint', ids);
  const second = await endpoint(stage, net, 2);
  assert.notDeepEqual(second.addresses, addresses);
  const PoolID = net.pools[0];
  await stage.ok('IpamDriver.ReleaseAddress', { PoolID, Address: '10.0.0.2' });
  const third = await endpoint(stage, net, 3);
  assert.deepEqual(third.addresses, addresses);
  // An engine that boots releases addresses of endpoints whose driver it has not loaded.
  await stage.ok('IpamDriver.ReleaseAddress', { PoolID, Address: '10.0.0.2' });
  assert.equal((await stage.traces()).ports.length, 1);
});

test('an address that was taken when the process died, and that Docker was not told, is given back by the next', async (t) => {
  await using stage = await Stage.open();
  const net = await network(stage, 1, { ipam: { 'heddle.network': 'web' } });
  const ask = { PoolID: net.pools[0], Address: '', Options: null };
  await stage.ok('IpamDriver.RequestAddress', ask);
  await stage.stop();
  await stage.start({ step: 1, effect: true });
  // Answered only when the dead process is buried, at the end of the stage.
  const buried = stage.refused('INTERNAL', 'IpamDriver.RequestAddress', ask);
  t.after(() => buried);
  await stage.process.died;
  assert.deepEqual(stage.workloads.held.addresses, ['10.0.0.2', '10.0.0.3']);
  await stage.restart();
  assert.deepEqual(stage.workloads.held.addresses, ['10.0.0.2']);
});

test('an address that Docker names has one owner; the same request again finds it', async () => {
  await using stage = await Stage.open();
  const net = await network(stage, 1, { ipam: { 'heddle.network': 'web' } });
  const ask = { PoolID: net.pools[0], Address: '10.0.0.77', Options: null };
  await stage.ok('IpamDriver.RequestAddress', ask);
  await stage.ok('IpamDriver.RequestAddress', ask);
  const ids = { NetworkID: net.id, EndpointID: nid(1001) };
  await stage.ok('NetworkDriver.CreateEndpoint', { ...ids, Interface: { Address: '10.0.0.77/24' } });
  await stage.refused('ADDRESS_TAKEN', 'IpamDriver.RequestAddress', ask);
  await stage.refused('ADDRESS_OUTSIDE', 'IpamDriver.RequestAddress', { ...ask, Address: '10.1.0.77' });
  await stage.refused('ADDRESS_RESERVED', 'IpamDriver.RequestAddress', { ...ask, Address: '10.0.0.1' });
  // A container that has its address for good is started again after its engine was killed.
  await stage.ok('NetworkDriver.DeleteEndpoint', ids);
  await stage.ok('IpamDriver.RequestAddress', ask);
  await stage.ok('NetworkDriver.CreateEndpoint', {
    ...ids,
    EndpointID: nid(1002),
    Interface: { Address: '10.0.0.77/24' },
  });
});

test('1,000 addresses asked for at once are 1,000 addresses, and all are free again', async () => {
  await using stage = await Stage.open();
  const net = await network(stage, 1, { fields: { Pool: '10.50.0.0/16' } });
  const ask = { PoolID: net.pools[0], Address: '', Options: null };
  const answers = await Promise.all(Array.from({ length: 1000 }, () => stage.ok('IpamDriver.RequestAddress', ask)));
  const addresses = answers.map((a) => a.Address.replace(/\/.*/, ''));
  assert.equal(new Set(addresses).size, 1000);
  await Promise.all(
    addresses.map((Address) => stage.ok('IpamDriver.ReleaseAddress', { PoolID: net.pools[0], Address })),
  );
  assert.deepEqual((await stage.traces()).addresses, []);
});
