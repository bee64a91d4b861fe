import assert from 'node:assert/strict';
import { existsSync, statSync } from 'node:fs';
import { test } from 'node:test';
import { endpoint, gatewayRequest, generic, internal, network, nid, pool, portMap } from './as-docker.ts';
import { Stage } from './stage.ts';

test('a network is joined, containers get addresses of it, and nothing is left when they have gone', async () => {
  await using stage = await Stage.open();
  assert.deepEqual(await stage.ok('Plugin.Activate'), { Implements: ['NetworkDriver', 'IpamDriver'] });
  const net = await network(stage, 1, { ipam: { 'heddle.network': 'web' }, v6: true });
  assert.equal(net.problem, undefined);
  const { addresses, created, ...ids } = await endpoint(stage, net, 1);
  assert.deepEqual(addresses, ['10.0.0.2/24', 'fd00:1::2/64']);
  assert.deepEqual(created, { Interface: { MacAddress: '02:00:0a:00:00:02' } });
  const { InterfaceName, ...joined } = await stage.ok('NetworkDriver.Join', { ...ids, SandboxKey: '/a', Options: {} });
  assert.match(InterfaceName.SrcName, /^hp[0-9a-f]{13}$/);
  assert.equal(InterfaceName.DstPrefix, 'eth');
  assert.deepEqual(joined, { Gateway: '10.0.0.1', GatewayIPv6: 'fd00:1::1', DisableGatewayService: true });
  const { Value } = await stage.ok('NetworkDriver.EndpointOperInfo', ids);
  assert.match(Value['heddle.port'], /^[0-9a-f-]{36}$/);
  await stage.ok('NetworkDriver.Leave', ids);
  await stage.ok('NetworkDriver.DeleteEndpoint', ids);
  for (const [i, PoolID] of net.pools.entries())
    await stage.ok('IpamDriver.ReleaseAddress', { PoolID, Address: addresses[i]!.replace(/\/.*/, '') });
  for (const PoolID of net.pools) await stage.ok('IpamDriver.ReleasePool', { PoolID });
  await stage.ok('NetworkDriver.DeleteNetwork', { NetworkID: net.id });
  await stage.nothingLeft();
});

test('a network is made with what Docker says of it, and deleted at the controller with it', async () => {
  await using stage = await Stage.open();
  const fields = { Pool: '10.9.1.7/16', SubPool: '10.9.8.0/24' };
  const { PoolID, Pool } = await stage.ok('IpamDriver.RequestPool', pool({}, fields));
  assert.equal(Pool, '10.9.0.0/16');
  const gateway = await stage.ok('IpamDriver.RequestAddress', {
    PoolID,
    Address: '10.9.0.254',
    Options: gatewayRequest,
  });
  assert.equal(gateway.Address, '10.9.0.254/16');
  await stage.ok('IpamDriver.RequestAddress', { PoolID, Address: '10.9.8.3', Options: null });
  await stage.ok('NetworkDriver.CreateNetwork', {
    NetworkID: nid(1),
    Options: { [generic]: { 'com.docker.network.driver.mtu': '1400' } },
    IPv4Data: [{ AddressSpace: 'heddle', Pool, Gateway: '10.9.0.254/16', AuxAddresses: { printer: '10.9.8.3/16' } }],
    IPv6Data: null,
  });
  const made = await stage.client.get('network', `docker-${nid(1).slice(0, 12)}`, { tenant: 'acme' });
  assert.deepEqual([made.mtuBytes, made.sourceNat, made.labels['heddle.docker']], [1400, true, 'made']);
  const [subnet] = await stage.client.list('subnet', { tenant: 'acme', network: made.id });
  assert.deepEqual(
    [subnet?.cidr, subnet?.gateway, subnet?.pools],
    ['10.9.0.0/16', '10.9.0.254', [{ first: '10.9.8.0', last: '10.9.8.255' }]],
  );
  assert.deepEqual((await stage.traces()).addresses, ['10.9.8.3']);
  await stage.refused('ADDRESS_TAKEN', 'IpamDriver.RequestAddress', { PoolID, Address: '10.9.8.3', Options: null });
  await stage.ok('IpamDriver.ReleasePool', { PoolID });
  await stage.ok('NetworkDriver.DeleteNetwork', { NetworkID: nid(1) });
  await stage.nothingLeft();
});

test('nobody chose a prefix: two networks do not overlap; an internal one gets no default route and no source NAT', async () => {
  await using stage = await Stage.open();
  const one = await network(stage, 1, { v6: true });
  const two = await network(stage, 2, { options: { [internal]: true } });
  const [a, a6, b] = [...one.create.IPv4Data, ...one.create.IPv6Data, ...two.create.IPv4Data].map((d) => d.Pool);
  assert.match(a, /^10\.(12[89]|1[3-9]\d|2\d\d)\.\d+\.0\/24$/);
  assert.match(a6, /^fd[0-9a-f:]+\/64$/);
  assert.notEqual(a, b);
  const made = await stage.client.list('network', { tenant: 'acme', label: 'heddle.docker=made' });
  assert.deepEqual(made.map((n) => n.sourceNat).sort(), [false, true]);
  const { addresses: _, created: __, ...ids } = await endpoint(stage, two, 1);
  const joined = await stage.ok('NetworkDriver.Join', { ...ids, SandboxKey: '/a' });
  assert.deepEqual([joined.Gateway, joined.GatewayIPv6, joined.DisableGatewayService], ['', '', true]);
});

test('with heddle.connect=direct the engine moves nothing into a container that runs, but for what it cannot tell apart', async () => {
  await using stage = await Stage.open();
  const net = await network(stage, 1, { ipam: { 'heddle.network': 'web' }, driver: { 'heddle.connect': 'direct' } });
  assert.equal(net.problem, undefined);
  const [one, two] = [await endpoint(stage, net, 1), await endpoint(stage, net, 2)];
  const join = async ({ NetworkID, EndpointID }: typeof one, SandboxKey: string) =>
    (await stage.ok('NetworkDriver.Join', { NetworkID, EndpointID, SandboxKey, Options: {} })).InterfaceName;
  const [inside, moved] = [{ SrcName: '', DstPrefix: 'heddle' }, /^hp/];
  assert.match((await join(one, '/starting/a')).SrcName, moved);
  assert.deepEqual(await join(one, '/running/a'), inside, 'in a new namespace');
  assert.deepEqual(await join(one, '/running/a'), inside, 'asked again');
  await stage.restart();
  assert.deepEqual(await join(one, '/running/a'), inside, 'after a restart');
  assert.match((await join(two, '/running/a')).SrcName, moved, 'a second one there');
  const leave = ({ NetworkID, EndpointID }: typeof one) => stage.ok('NetworkDriver.Leave', { NetworkID, EndpointID });
  assert.equal((await stage.traces()).pairs.length, 2);
  await leave(one);
  assert.equal((await stage.traces()).pairs.length, 1, 'nobody else takes it out of the container');
  await leave(two);
  assert.deepEqual(await join(two, '/running/a'), inside, 'when there is none');
});

test('without a controller containers come and go, networks go, and only new ones are refused', async () => {
  await using stage = await Stage.open();
  const made = await network(stage, 1);
  const joined = await network(stage, 2, { ipam: { 'heddle.network': 'web' } });
  stage.offline = true;
  await stage.restart();
  for (const method of [
    'Plugin.Activate',
    'NetworkDriver.GetCapabilities',
    'IpamDriver.GetCapabilities',
    'IpamDriver.GetDefaultAddressSpaces',
  ])
    await stage.ok(method);
  const { addresses, created: _, ...ids } = await endpoint(stage, made, 1);
  await stage.ok('NetworkDriver.Join', { ...ids, SandboxKey: '/a' });
  await stage.ok('NetworkDriver.Leave', ids);
  await stage.ok('NetworkDriver.DeleteEndpoint', ids);
  await stage.ok('IpamDriver.ReleaseAddress', { PoolID: made.pools[0], Address: addresses[0]!.replace(/\/.*/, '') });
  // One that is in use here is known here.
  const again = await network(stage, 3, { ipam: { 'heddle.network': 'web' } });
  assert.equal(again.problem, undefined);
  await stage.refused('CONTROLLER_UNREACHABLE', 'IpamDriver.RequestPool', pool({ 'heddle.network': 'four' }));
  for (const { id, pools } of [made, joined, again]) {
    for (const PoolID of pools) await stage.ok('IpamDriver.ReleasePool', { PoolID });
    await stage.ok('NetworkDriver.DeleteNetwork', { NetworkID: id });
  }
  await stage.restart();
  stage.offline = false;
  await stage.nothingLeft();
});

test('a made network stays as long as another host’s Docker has it, or somebody else uses it', async () => {
  await using stage = await Stage.open();
  const { id, pools } = await network(stage, 1);
  const [made] = await stage.client.list('network', { tenant: 'acme', label: 'heddle.docker=made' });
  await stage.client.create('host', { name: 'h2', vtep: '198.18.0.2' });
  await stage.client.create('lease', { network: made!.name, host: 'h2', size: 4 }, { tenant: 'acme' });
  for (const PoolID of pools) await stage.ok('IpamDriver.ReleasePool', { PoolID });
  await stage.ok('NetworkDriver.DeleteNetwork', { NetworkID: id });
  const after = await stage.traces();
  assert.deepEqual([after.users, after.ports, after.networks.length], [[], [], 5]);
  await stage.stop();
  assert.equal((await stage.client.list('network', { tenant: 'acme', label: 'heddle.docker=made' })).length, 1);
});

test('published ports: those asked for, free ones where none are, ranges; and what cannot be is refused', async () => {
  await using stage = await Stage.open();
  const net = await network(stage, 1, { ipam: { 'heddle.network': 'web' } });
  const { addresses: _, created: __, ...ids } = await endpoint(stage, net, 1);
  const binding = (Proto: number, Port: number, HostPort = 0, rest = {}) => ({
    Proto,
    IP: '',
    Port,
    HostIP: '',
    HostPort,
    HostPortEnd: HostPort,
    ...rest,
  });
  const program = (bindings: object[], of = ids) => ({ ...of, Options: { [portMap]: bindings } });
  stage.workloads.foreignPorts.add(9000);
  const range = binding(17, 90, 9000, { HostPortEnd: 9002, HostIP: '198.18.0.1' });
  await stage.ok(
    'NetworkDriver.ProgramExternalConnectivity',
    program([binding(6, 80, 8080, { HostIP: '0.0.0.0' }), range, binding(6, 81)]),
  );
  const [port] = stage.workloads.open().ports();
  const [first, second, third] = port!.publish;
  assert.deepEqual(first, { protocol: 'tcp', port: 80, hostPort: 8080 });
  assert.deepEqual(second, { protocol: 'udp', port: 90, hostPort: 9001, hostAddress: '198.18.0.1' });
  assert.ok(third!.hostPort >= 49_153 && third!.hostPort <= 65_535);
  const other = await endpoint(stage, net, 2);
  await stage.refused(
    'HOST_PORT_TAKEN',
    'NetworkDriver.ProgramExternalConnectivity',
    program([binding(6, 80, 8080)], other),
  );
  const sctp = {
    ...ids,
    EndpointID: nid(1003),
    Interface: { Address: '10.0.0.99/24' },
    Options: { [portMap]: [binding(132, 80, 8080)] },
  };
  assert.match(await stage.refused('USAGE', 'NetworkDriver.CreateEndpoint', sctp), /only tcp and udp/);
  await stage.ok('NetworkDriver.RevokeExternalConnectivity', ids);
  assert.deepEqual(stage.workloads.open().portOf(port!.owner)?.publish, []);
});

test('what the engine has forgotten is forgotten, with all that belongs to it', async () => {
  await using stage = await Stage.open();
  const net = await network(stage, 1);
  await endpoint(stage, net, 1);
  await stage.ok('IpamDriver.RequestAddress', { PoolID: net.pools[0], Address: '', Options: null });
  const { records } = stage.plugin;
  const [pools] = [records.pools()];
  assert.deepEqual(pools[0]?.addresses.length, 2);
  const touched = records.endpoints()[0]!.touched;
  await stage.ok('NetworkDriver.Leave', { NetworkID: net.id, EndpointID: nid(1001) });
  assert.notEqual(records.endpoints()[0]!.touched, touched);
  await records.forgetEndpoint(nid(1001));
  await records.forgetAddress(net.pools[0]!, pools[0]!.addresses[1]!.address);
  await records.forgetNetwork(net.id);
  await records.forgetNetwork(net.id);
  assert.deepEqual([records.endpoints(), records.networks(), records.pools()], [[], [], []]);
  await stage.nothingLeft();
});

test('the socket is root’s alone, is there again after a restart, and errors of the controller reach Docker', async () => {
  await using stage = await Stage.open();
  assert.equal(statSync(stage.socket).mode & 0o777, 0o600);
  await stage.restart();
  await stage.ok('Plugin.Activate');
  const net = await network(stage, 1, { fields: { Pool: '10.60.0.0/30' } });
  const ask = { PoolID: net.pools[0], Address: '', Options: null };
  await stage.ok('IpamDriver.RequestAddress', ask);
  await stage.refused('ADDRESS_POOL_EXHAUSTED', 'IpamDriver.RequestAddress', ask);
  await stage.stop();
  assert.equal(existsSync(stage.socket), false);
});
