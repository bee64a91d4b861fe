import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { parseMac, parsePrefix, slaacAddress } from '../../src/model/address.ts';
import { DockerRig } from './rig.ts';

let rig: DockerRig;
before(async () => {
  rig = await DockerRig.open();
});
after(() => rig[Symbol.asyncDispose]());

test('a network of the controller’s is joined from two engines, its containers reach each other, and nothing is left of them', async () => {
  await rig.addNetwork('acme', 'web', '10.0.0.0/24', 'fd00:1::/64');
  const before = await rig.left();
  for (const host of ['h1', 'h2']) await rig.join(host, 'web', 'acme', 'web', '--ipv6');
  await rig.run('h1', 'c1', 'web');
  await rig.run('h2', 'c2', 'web');
  const [a, b] = [await rig.place('h1', 'c1', 'web'), await rig.place('h2', 'c2', 'web')];
  assert.match(a, /^10\.0\.0\./);
  assert.notEqual(a, b);
  await rig.reached('h1', 'c1', b);
  await rig.reached('h2', 'c2', await rig.place('h1', 'c1', 'web', 'GlobalIPv6Address'));
  const port = await rig.port('acme', 'c1', (p) => p.status.condition === 'up');
  const h1 = await rig.client.get('host', 'h1');
  assert.deepEqual([port.host, port.addresses.includes(a)], [h1.id, true]);
  assert.equal(port.mac, await rig.place('h1', 'c1', 'web', 'MacAddress'));
  const during = await rig.left();
  for (const kind of ['links', 'files', 'api'] as const) assert.ok(during[kind].length > before[kind].length, kind);
  await rig.docker('h1', 'rm', '--force', 'c1');
  await rig.docker('h2', 'rm', '--force', 'c2');
  for (const host of ['h1', 'h2']) await rig.docker(host, 'network', 'rm', 'web');
  await rig.leaves(before);
});

test('a network that is made without an option is the default tenant’s, gets an address range and the outside, and goes with the Docker network', async () => {
  const before = await rig.left();
  await rig.docker('h1', 'network', 'create', '--driver', 'heddle', 'plain');
  await rig.docker('h1', 'network', 'create', '--driver', 'heddle', '--ipam-driver', 'heddle', 'ours');
  for (const name of ['plain', 'ours']) {
    await rig.run('h1', `${name}1`, name);
    await rig.run('h1', `${name}2`, name);
    await rig.reached('h1', `${name}1`, await rig.place('h1', `${name}2`, name));
  }
  for (const name of ['plain1', 'plain2', 'ours1', 'ours2']) await rig.port('acme', name);
  for (const name of ['plain', 'ours']) {
    await rig.docker('h1', 'rm', '--force', `${name}1`, `${name}2`);
    await rig.docker('h1', 'network', 'rm', name);
  }
  await rig.leaves(before);
});

test('a network is joined with Docker’s own addresses by its prefix, each of them claimed; without it the command that works is said', async () => {
  await rig.addNetwork('acme', 'mixed', '10.6.0.0/24');
  const before = await rig.left();
  const options = ['--driver', 'heddle', '--opt', 'heddle.network=mixed', '--opt', 'heddle.tenant=acme'];
  const create = ['network', 'create', ...options];
  assert.match(
    await rig.refused('h1', ...create, 'mixed'),
    /which network mixed does not have.* docker network create -d heddle --ipam-driver heddle --ipam-opt heddle.network=mixed --ipam-opt heddle.tenant=acme NAME/,
  );
  assert.match(await rig.refused('h1', ...create, '--subnet', '10.6.0.0/25', 'mixed'), /does not have/);
  const range = (prefix: string) => ['--subnet', '10.6.0.0/24', '--ip-range', prefix];
  // Docker takes its range's first for the gateway.
  const first = await rig.refused('h1', ...create, ...range('10.6.0.64/26'), 'mixed');
  assert.match(first, /give --gateway 10\.6\.0\.1/);
  await rig.leaves(before);
  // Engines do not know of one another: each has its own range.
  await rig.docker('h1', ...create, ...range('10.6.0.64/26'), '--gateway', '10.6.0.1', 'mixed');
  await rig.docker('h2', ...create, ...range('10.6.0.128/26'), '--gateway', '10.6.0.1', 'mixed');
  await rig.run('h1', 'c1', 'mixed');
  await rig.run('h2', 'c2', 'mixed');
  const [a, b] = [await rig.place('h1', 'c1', 'mixed'), await rig.place('h2', 'c2', 'mixed')];
  await rig.reached('h1', 'c1', b);
  const port = await rig.port('acme', 'c1', (p) => p.status.condition === 'up');
  assert.deepEqual(port.addresses, [a]);
  assert.match(await rig.refused('h2', 'run', '--network', 'mixed', '--ip', a, 'busybox'), /ADDRESS_TAKEN/);
  await rig.docker('h1', 'rm', '--force', 'c1');
  await rig.docker('h2', 'rm', '--force', 'c2');
  await rig.docker('h2', 'container', 'prune', '--force');
  for (const host of ['h1', 'h2']) await rig.docker(host, 'network', 'rm', 'mixed');
  await rig.leaves(before);
});

test('what is asked for of a network that is made is what it has', async () => {
  const before = await rig.left();
  const options = [
    ...['--subnet', '10.20.0.0/24', '--gateway', '10.20.0.254', '--ip-range', '10.20.0.128/28'],
    ...['--aux-address', 'printer=10.20.0.130', '--opt', 'com.docker.network.driver.mtu=1400'],
  ];
  await rig.docker(
    'h1',
    ...['network', 'create', '--driver', 'heddle', '--ipam-driver', 'heddle', ...options, 'custom'],
  );
  await rig.run('h1', 'c1', 'custom');
  const route = await rig.told('h1', 'c1', 'ip', 'route');
  assert.match(route, /^default via 10\.20\.0\.254 dev eth0/);
  assert.match(await rig.told('h1', 'c1', 'ip', 'link', 'show', 'eth0'), /mtu 1400 /);
  const last = Number((await rig.place('h1', 'c1', 'custom')).split('.').at(-1));
  assert.ok(last >= 128 && last < 144 && last !== 130, `${last} is in the range and not the printer’s`);
  assert.match(await rig.refused('h1', 'run', '--network', 'custom', '--ip', '10.20.0.130', 'busybox'), /ADDRESS_/);
  await rig.docker('h1', 'rm', '--force', 'c1');
  await rig.docker('h1', 'container', 'prune', '--force');
  await rig.docker('h1', 'network', 'rm', 'custom');
  await rig.leaves(before);
});

test('two tenants have the same subnet, the same names and the same addresses, and never meet', async () => {
  for (const tenant of ['acme', 'globex']) {
    await rig.addNetwork(tenant, 'shop', '10.7.0.0/24');
    await rig.join('h1', `${tenant}-shop`, tenant, 'shop', '--subnet', '10.7.0.0/24');
    await rig.join('h2', `${tenant}-shop`, tenant, 'shop', '--subnet', '10.7.0.0/24');
  }
  // One engine has each name once: so each tenant has the same names on the other host.
  await rig.runs('h1', 'web', 'acme-shop', ['--ip', '10.7.0.10'], answering('acme'));
  await rig.runs('h2', 'web', 'globex-shop', ['--ip', '10.7.0.10'], answering('globex'));
  await rig.run('h2', 'client', 'acme-shop', '--ip', '10.7.0.20');
  await rig.run('h1', 'client', 'globex-shop', '--ip', '10.7.0.20');
  const ask = (host: string) => rig.told(host, 'client', 'nc', '-w', '5', '10.7.0.10', '7000');
  await rig.reached('h2', 'client', '10.7.0.10');
  await rig.reached('h1', 'client', '10.7.0.10');
  assert.equal(await ask('h2'), 'acme\n');
  assert.equal(await ask('h1'), 'globex\n');
  for (const tenant of ['acme', 'globex'])
    for (const name of ['web', 'client']) {
      const port = await rig.port(tenant, name, (p) => p.status.condition === 'up');
      assert.deepEqual(port.addresses, [name === 'web' ? '10.7.0.10' : '10.7.0.20']);
    }
  for (const host of ['h1', 'h2']) await rig.docker(host, 'rm', '--force', 'web', 'client');
});

test('addresses, MAC and aliases are as asked for, also IPv6, and a taken one is refused with its code', async () => {
  await rig.addNetwork('acme', 'dual', '10.8.0.0/24', 'fd00:8::/64');
  const before = await rig.left();
  for (const host of ['h1', 'h2'])
    await rig.join(host, 'dual', 'acme', 'dual', '--ipv6', '--subnet', '10.8.0.0/24', '--subnet', 'fd00:8::/64');
  const asked = ['--ip', '10.8.0.77', '--ip6', 'fd00:8::77', '--mac-address', '02:00:00:00:00:77'];
  await rig.run('h1', 'fixed', 'dual', ...asked, '--network-alias', 'database');
  const shown = await rig.told('h1', 'fixed', 'ip', 'address', 'show', 'eth0');
  for (const part of ['10.8.0.77/24', 'fd00:8::77/64', '02:00:00:00:00:77']) assert.ok(shown.includes(part), shown);
  const port = await rig.port('acme', 'fixed', (p) => p.dnsNames.includes('database'));
  assert.deepEqual([port.mac, port.addresses], ['02:00:00:00:00:77', ['10.8.0.77', 'fd00:8::77']]);
  // From the other host: only the store can know.
  assert.match(await rig.refused('h2', 'run', '--network', 'dual', '--ip', '10.8.0.77', 'busybox'), /ADDRESS_TAKEN/);
  const mac = ['--mac-address', '02:00:00:00:00:77'];
  assert.match(await rig.refused('h2', 'run', '--network', 'dual', ...mac, 'busybox'), /MAC_TAKEN/);
  await rig.run('h2', 'peer', 'dual');
  await rig.reached('h2', 'peer', 'fd00:8::77');
  // The same container again has the same addresses.
  await rig.docker('h1', 'restart', 'fixed');
  await rig.reached('h2', 'peer', '10.8.0.77');
  for (const host of ['h1', 'h2']) await rig.docker(host, 'container', 'prune', '--force');
  await rig.docker('h1', 'rm', '--force', 'fixed');
  await rig.docker('h2', 'rm', '--force', 'peer');
  for (const host of ['h1', 'h2']) await rig.docker(host, 'network', 'rm', 'dual');
  await rig.leaves(before);
});

/** A server that tells its name to whoever connects. */
const answering = (name: string): string[] => ['nc', '-ll', '-p', '7000', '-e', 'echo', name];

test('where addresses are made of MACs a container has one that its MAC makes, also beside an IPv4 address', async () => {
  const [tenant, network] = ['acme', 'made'];
  await rig.addNetwork(tenant, network, '10.5.0.0/24');
  const subnet = { name: 'made6', network, cidr: 'fd00:5::/64', dhcp: { ipv6: 'slaac' as const } };
  await rig.client.create('subnet', subnet, { tenant });
  const before = await rig.left();
  const subnets = ['--ipv6', '--subnet', '10.5.0.0/24', '--subnet', subnet.cidr];
  await rig.join('h1', network, tenant, network, ...subnets);
  await rig.run('h1', 'any', network);
  const chosen = ['--mac-address', '52:54:00:12:34:56', '--ip6', 'fd00:5::5054:ff:fe12:3456'];
  await rig.run('h1', 'chosen', network, ...chosen);
  for (const name of ['any', 'chosen']) {
    const [mac, ip] = [
      await rig.place('h1', name, network, 'MacAddress'),
      await rig.place('h1', name, network, 'GlobalIPv6Address'),
    ];
    assert.equal(ip, slaacAddress(parsePrefix(subnet.cidr), parseMac(mac)));
  }
  await rig.reached('h1', 'any', await rig.place('h1', 'chosen', network, 'GlobalIPv6Address'));
  await rig.reached('h1', 'chosen', await rig.place('h1', 'any', network));
  await rig.docker('h1', 'rm', '--force', 'any', 'chosen');
  await rig.docker('h1', 'network', 'rm', network);
  await rig.leaves(before);
});
