/** What workloads are told of themselves, on two hosts and in two tenants with equal addresses. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';
import { hasCode } from '../../src/model/errors.ts';
import { Rig } from '../agent/rig.ts';
import { Guest, service } from './guest.ts';

const rig = await Rig.open({ hosts: 2 });
const { client } = rig;
const four = ['10.0.0.50', 'fd00:1::50'];
await client.create('tenant', { name: 'evil' });
await client.create('network', { name: 'web' }, { tenant: 'evil' });
for (const [name, cidr] of [
  ['web4', '10.0.0.0/24'],
  ['web6', 'fd00:1::/64'],
] as const)
  await client.create('subnet', { name, network: 'web', cidr }, { tenant: 'evil' });
const secret = '#cloud-config\n# acme’s own\n';
const mine = await Guest.open(rig, 'h1', {
  name: 'vm1',
  addresses: four,
  userData: secret,
  sshKeys: ['ssh-rsa AAA me'],
});
const far = await Guest.open(rig, 'h2', { name: 'vm2' });
const theirs = await Guest.open(rig, 'h1', { name: 'vm3', addresses: four, userData: '#!/bin/sh\n' }, 'evil');
after(async () => {
  for (const one of [mine, far, theirs, rig]) await one[Symbol.asyncDispose]();
});

test('each workload is told of itself, by either address and on every host, whoever else has its addresses', async () => {
  for (const guest of [mine, far, theirs])
    for (const from of [service.four, service.six]) {
      assert.equal(await guest.read('meta-data/instance-id', from), guest.port.id);
      assert.equal(await guest.read('meta-data/local-hostname', from), guest.port.name);
      assert.equal(await guest.read('meta-data/placement/availability-zone', from), guest.host);
    }
  assert.equal(await mine.read('user-data', service.six), secret);
  assert.equal(await theirs.read('user-data'), '#!/bin/sh\n');
  assert.equal((await far.ask(`${service.four}/latest/user-data`)).status, 404);
  assert.equal((await mine.ask(`${service.four}/user-data`)).body, secret);
});

test('what the interface is said to be is what it is', async () => {
  const link = mine.workload.inside().link('eth0')!;
  const { ethernets } = JSON.parse((await mine.ask(`${service.four}/network-config`)).body);
  assert.equal(ethernets.nic0.match.macaddress, link.mac);
  assert.equal(ethernets.nic0.mtu, link.mtuBytes);
  assert.deepEqual(ethernets.nic0.addresses, ['10.0.0.50/24', 'fd00:1::50/64']);
});

test('a workload without a default route asks on its own link', async () => {
  await mine.run('ip', 'route', 'replace', '169.254.169.254', 'dev', 'eth0');
  await mine.run('ip', '-6', 'route', 'replace', 'fd00:ec2::254', 'dev', 'eth0');
  for (const from of [service.four, service.six])
    assert.equal(await mine.read('meta-data/instance-id', from), mine.port.id);
});

test('user data may change at any time, and goes to no host but the port’s', async () => {
  const changed = '#cloud-config\n# changed-and-secret\n';
  await client.update('port', 'vm1', { userData: changed }, { tenant: rig.tenant, waitMs: 10_000 });
  assert.equal(await mine.read('user-data'), changed);
  const state = (host: string) => readFileSync(`${rig.stateDir(host)}/host-state.json`, 'utf8');
  await until('h1 has it on disk', 5_000, async () => state('h1').includes('changed-and-secret') || undefined);
  assert.ok(state('h2').includes('vm1') && !state('h2').includes('changed-and-secret'));
  await client.update('port', 'vm1', { userData: null as never }, { tenant: rig.tenant, waitMs: 10_000 });
  assert.equal((await mine.ask(`${service.four}/latest/user-data`)).status, 404);
  await client.update('port', 'vm1', { userData: secret }, { tenant: rig.tenant, waitMs: 10_000 });
});

test('an attach may bring user data of the full size, whatever they are of', async () => {
  await using workload = await rig.workload();
  const userData = '\u001b'.repeat(16_384);
  await rig.attach('h2', { target: workload.path, userData });
  const { stdout } = await workload.exec(['curl', '-sS', '-m', '5', `${service.four}/latest/user-data`]);
  assert.ok(stdout === userData, `${stdout.length} characters`);
});

test('a port that an attach makes is told what the attach says', async () => {
  await using workload = await rig.workload();
  const told = { userData: '#!/bin/true\n', sshKeys: ['ssh-rsa LOCAL'] };
  const { port } = await rig.attach('h2', { target: workload.path, ...told });
  const ask = async (path: string) =>
    (await workload.exec(['curl', '-sS', '-m', '5', `${service.four}/latest/${path}`])).stdout;
  assert.equal(await ask('user-data'), told.userData);
  assert.equal(await ask('meta-data/public-keys/0/openssh-key'), told.sshKeys[0]);
  const have = await until('the controller has it', 10_000, () =>
    client.get('port', port.id, { tenant: rig.tenant }).catch((e: unknown) => {
      if (!hasCode(e, 'NOT_FOUND')) throw e;
      return undefined;
    }),
  );
  assert.deepEqual([have.userData, have.sshKeys], [told.userData, told.sshKeys]);
  assert.equal(await ask('user-data'), told.userData);
  await rig.detach('h2', port.id);
});

test('a session token is given, accepted, and of no use to another port', async () => {
  const ttl = ['-X', 'PUT', '-H', 'X-aws-ec2-metadata-token-ttl-seconds: 21600'];
  const { status, body: token } = await mine.ask(`${service.four}/latest/api/token`, ...ttl);
  assert.equal(status, 200);
  const header = ['-H', `X-aws-ec2-metadata-token: ${token}`];
  assert.equal((await mine.ask(`${service.six}/latest/meta-data/mac`, ...header)).body, mine.port.mac);
  assert.equal((await theirs.ask(`${service.four}/latest/meta-data/mac`, ...header)).status, 401);
  assert.equal((await mine.ask(`${service.four}/latest/api/token`, ...ttl, '-d', 'x')).status, 413);
});

test('who is no port of the host is told nothing', async () => {
  const [network] = await client.list('network', { tenant: rig.tenant, name: 'web' });
  const gateway = `${dirname(rig.lab.host('h1').agentSocket)}/netns/${network!.id}`;
  const url = `${service.four}/latest/meta-data/instance-id`;
  const argv = ['nsenter', `--net=${gateway}`, 'curl', '-sS', '-m', '5', '-o', '/dev/null', '-w', '%{http_code}', url];
  const unknown = async () => (await rig.status('h1')).metadata.unknown;
  const before = await unknown();
  assert.equal(await must(argv), '404');
  assert.equal(await unknown(), before + 1);
});

test('no workload is told what another one is told, from whatever address it asks', async () => {
  await using thief = await Guest.open(rig, 'h2', { name: 'thief' });
  const { addresses } = far.port;
  for (const [i, from] of [service.four, service.six].entries()) {
    const [ip, own] = [addresses[i]!, thief.port.addresses[i]!];
    const url = `${from}/latest/meta-data/instance-id`;
    await thief.run('ip', 'address', 'add', ip, 'dev', 'eth0', ...(from === service.six ? ['nodad'] : []));
    assert.equal((await thief.ask(url, '--interface', own)).body, thief.port.id, 'the control: as itself');
    assert.equal((await thief.ask(url, '--interface', ip, '-m', '2')).status, 0);
  }
});

test('a router changes nothing of it, and opens no gateway of another network', async () => {
  const { tenant } = rig;
  await client.create('subnet', { name: 'db4', network: 'four', cidr: '10.5.0.0/24' }, { tenant });
  await client.create('router', { name: 'r1', subnets: ['web4', 'web6', 'db4'] }, { tenant, waitMs: 10_000 });
  for (const from of [service.four, service.six])
    assert.equal(await far.read('meta-data/instance-id', from), far.port.id);
  await far.run('ping', '-n', '-c', '1', '-W', '2', '10.5.0.1');
  assert.equal((await far.ask('http://10.5.0.1/', '-m', '2')).status, 0);
  await client.remove('router', (await client.get('router', 'r1', { tenant })).id, { tenant });
});

test('what is no request is refused, and nothing but that', async () => {
  const header = (bytes: number) => ['-H', `X-Long: ${'x'.repeat(bytes)}`];
  const ask = (...more: string[]) => far.ask(`${service.four}/latest/meta-data/mac`, ...more);
  assert.equal((await ask(...header(9_000))).status, 431);
  assert.equal((await ask('-X', 'POST', '-d', 'x=1')).status, 413);
  assert.equal((await ask('-X', 'DELETE')).status, 405);
  assert.equal((await ask('--request-target', '*')).status, 404);
  assert.equal((await ask('-H', 'Host:')).status, 400);
  assert.deepEqual(await ask('--http1.0'), { status: 200, body: far.port.mac });
  assert.equal((await ask('-I')).status, 200);
});

test('nothing else of the gateway is open by these addresses, nor metadata by its own', async () => {
  const closed = [
    ...['http://10.0.0.1:80', 'http://[fd00:1::1]:80', `${service.four}:81`, `${service.six}:81`, `${service.four}:22`],
    ...['http://169.254.169.253:80', 'http://169.254.128.1:80'],
  ];
  const told = await Promise.all(closed.map((url) => mine.ask(`${url}/`, '-m', '2')));
  assert.deepEqual(
    told.map(({ status }) => status),
    closed.map(() => 0),
  );
});

test('a killed agent’s next one answers, without a controller too', async () => {
  await rig.lab.kill('h1');
  await rig.lab.kill('controller');
  await rig.lab.start('h1');
  await until(
    'metadata',
    20_000,
    async () => (await mine.ask(`${service.four}/`, '-m', '1')).status === 200 || undefined,
  );
  assert.equal(await mine.read('user-data'), secret);
  await rig.lab.start('controller');
  await rig.lab.ready('controller');
  await rig.inSync('h1');
  assert.equal(await mine.read('meta-data/instance-id', service.six), mine.port.id);
});
