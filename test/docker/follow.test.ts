/** What the agent learns from its engine beside the driver's calls: names, and what the engine has forgotten. */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { DockerRig } from './rig.ts';

let rig: DockerRig;
before(async () => {
  rig = await DockerRig.open({ hosts: 1 });
});
after(() => rig[Symbol.asyncDispose]());

test('a port has its container’s name, aliases and labels, and follows a rename', async () => {
  await rig.addNetwork('acme', 'web', '10.0.0.0/24');
  await rig.join('h1', 'web', 'acme', 'web');
  const labels = ['--label', 'tier=db', '--label', 'com.docker.compose.service=store'];
  const id = await rig.run('h1', 'db', 'web', '--network-alias', 'postgres', '--hostname', 'pg1', ...labels);
  const port = await rig.port('acme', 'db', (p) => p.dnsNames.includes('postgres'));
  assert.deepEqual(port.dnsNames, ['db', 'postgres', id.slice(0, 12), 'pg1', 'store']);
  assert.equal(port.labels.tier, 'db');
  assert.equal(port.labels['docker.container'], id);
  assert.equal(port.labels['docker.image'], 'busybox');
  await rig.docker('h1', 'rename', 'db', 'database');
  const renamed = await rig.port('acme', 'database');
  assert.equal(renamed.id, port.id);
  await rig.docker('h1', 'rm', '--force', 'database');
});

test('a container that is connected while it runs is named on the second network too', async () => {
  await rig.addNetwork('globex', 'back', '10.1.0.0/24');
  await rig.join('h1', 'back', 'globex', 'back');
  await rig.run('h1', 'both', 'web');
  await rig.docker('h1', 'network', 'connect', '--alias', 'inner', 'back', 'both');
  await rig.port('acme', 'both', (p) => !p.dnsNames.includes('inner'));
  await rig.port('globex', 'both', (p) => p.dnsNames.includes('inner'));
  await rig.docker('h1', 'rm', '--force', 'both');
});

test('containers that were started while the agent was away are named when it is back', async () => {
  await rig.run('h1', 'early', 'web');
  await rig.port('acme', 'early');
  await rig.lab.kill('h1');
  await rig.docker('h1', 'rename', 'early', 'late');
  await rig.lab.start('h1');
  await rig.port('acme', 'late');
  await rig.docker('h1', 'rm', '--force', 'late');
});

test('a network that Docker made has Docker’s name', async () => {
  await rig.docker('h1', 'network', 'create', '--driver', 'heddle', '--ipam-driver', 'heddle', 'shop_default');
  const named = await until('the network’s name', 10_000, async () =>
    (await rig.client.list('network', { tenant: 'acme' })).find((n) => n.name === 'shop_default'),
  );
  assert.ok(named.id);
  await rig.docker('h1', 'network', 'rm', 'shop_default');
});

test('what an engine has forgotten is removed', async () => {
  const before = await rig.left();
  await rig.docker('h1', 'network', 'create', '--driver', 'heddle', '--ipam-driver', 'heddle', 'lost');
  await rig.run('h1', 'ghost', 'lost');
  await rig.port('acme', 'ghost');
  const engine = rig.lab.engine('h1');
  await engine.stop();
  // As if it had died before it wrote that there is a network.
  await rm(`${engine.plan.dir}/data/network`, { recursive: true });
  await rm(`${engine.plan.dir}/data/containers`, { recursive: true });
  await engine.start();
  await engine.ready();
  await until('nothing left of what the engine has forgotten', 60_000, async () => {
    const now = await rig.left();
    // The networks of the tests before are forgotten too.
    return now.links.length <= before.links.length && !now.api.some((line) => /ghost|lost/.test(line))
      ? true
      : undefined;
  });
});
