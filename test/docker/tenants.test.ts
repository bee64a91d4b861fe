import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DockerRig } from './rig.ts';

const address = '10.5.0.10';
let rig: DockerRig;
before(async () => {
  rig = await DockerRig.open({ hosts: 3, dockerTenants: { h1: ['acme'], h2: ['globex'], h3: ['globex', 'acme'] } });
  for (const tenant of ['acme', 'globex']) await rig.addNetwork(tenant, 'web', '10.5.0.0/24');
  await rig.join('h1', 'web', 'acme', 'web', '--subnet', '10.5.0.0/24');
  await rig.join('h2', 'web', 'globex', 'web', '--subnet', '10.5.0.0/24');
  await rig.runs('h1', 'safe', 'web', ['--ip', address], ['nc', '-ll', '-p', '7000', '-e', 'echo', 'secret']);
  await rig.run('h2', 'thief', 'web', '--cap-add', 'NET_ADMIN', '--cap-add', 'NET_RAW');
});
after(() => rig[Symbol.asyncDispose]());

const create = ['network', 'create', '--driver', 'heddle'];

test('an engine without a tenant’s right cannot join, make or address its networks, whatever its user types', async () => {
  const acme = await rig.client.get('tenant', 'acme');
  const network = await rig.client.get('network', 'web', { tenant: 'acme' });
  const before = await rig.left();
  const attempts = [
    ['--ipam-driver', 'heddle', '--ipam-opt', 'heddle.tenant=acme', '--ipam-opt', 'heddle.network=web'],
    ['--ipam-driver', 'heddle', '--ipam-opt', `heddle.tenant=${acme.id}`, '--ipam-opt', 'heddle.network=web'],
    ['--ipam-driver', 'heddle', '--ipam-opt', `heddle.network=${network.id}`],
    ['--ipam-driver', 'heddle', '--ipam-opt', 'heddle.tenant=../acme', '--ipam-opt', 'heddle.network=web'],
    ['--ipam-driver', 'heddle', '--ipam-opt', 'heddle.network=../../acme/networks/web'],
    ['--opt', 'heddle.tenant=acme', '--opt', 'heddle.network=web', '--subnet', '10.5.0.0/24'],
    ['--opt', `heddle.network=${network.id}`, '--subnet', '10.5.0.0/24'],
    ['--opt', 'heddle.tenant=acme'],
    ['--ipam-driver', 'heddle', '--ipam-opt', 'heddle.tenant=acme'],
  ];
  for (const options of attempts)
    assert.match(await rig.refused('h2', ...create, ...options, 'stolen'), /\[?(TENANT_FORBIDDEN|NOT_FOUND)\]?/);
  assert.match(await rig.refused('h2', ...create, ...attempts[0]!, 'stolen'), /TENANT_FORBIDDEN/);
  await rig.leaves(before);
});

test('an engine with the right of several tenants uses each, and the first when none is named', async () => {
  await rig.join('h3', 'ours', 'acme', 'web');
  await rig.docker('h3', ...create, '--ipam-driver', 'heddle', '--ipam-opt', 'heddle.network=web', 'theirs');
  await rig.run('h3', 'friend', 'ours');
  await rig.run('h3', 'stranger', 'theirs');
  await rig.reached('h3', 'friend', address);
  assert.equal(await rig.told('h3', 'friend', 'nc', '-w', '5', address, '7000'), 'secret\n');
  await rig.port('acme', 'friend');
  await rig.port('globex', 'stranger');
  await rig.reached('h3', 'stranger', await rig.place('h2', 'thief', 'web'));
});

test('a container of another tenant is not reached: not by its address, its host’s, a route, or a neighbour that is made up', async () => {
  const tell = (script: string) => rig.exec('h2', 'thief', 'sh', '-c', script);
  const mac = await rig.place('h1', 'safe', 'web', 'MacAddress');
  const vtep = rig.lab.host('h1').vtep;
  const connects = `nc -w 2 ${address} 7000`;
  for (const script of [
    connects,
    `ip route add ${vtep}/32 dev eth0; ip route add 10.5.0.10/32 via ${vtep} dev eth0 onlink; ${connects}`,
    `ip route flush 10.5.0.10/32; arp -s ${address} ${mac}; ${connects}`,
    `arp -d ${address}; arp -s ${address} ff:ff:ff:ff:ff:ff; ${connects}`,
    `arp -d ${address}; arp -s ${address} 02:68:67:00:00:01; ${connects}`,
    `ip address add 10.5.0.10/24 dev eth0; ip address del 10.5.0.10/24 dev eth0; ${connects}`,
    `nc -w 2 ${vtep} 22; nc -w 2 ${vtep} 7470`,
  ]) {
    const { stdout } = await tell(script);
    assert.doesNotMatch(stdout, /secret/, script);
  }
  assert.equal((await tell(`ping -c 1 -W 2 ${vtep}`)).code, 1, 'a network that does not ask for the outside has none');
});
