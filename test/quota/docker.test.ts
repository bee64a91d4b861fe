/** What a user of Docker sees of a quota: a container that does not start, and why. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { DockerRig } from '../docker/rig.ts';

let rig: DockerRig;
before(async () => {
  rig = await DockerRig.open({ hosts: 1 });
  await rig.addNetwork('acme', 'web', '10.0.0.0/24');
  await rig.join('h1', 'web', 'acme', 'web');
});
after(() => rig[Symbol.asyncDispose]());

const limit = (limits: object) => rig.client.request('PATCH', '/v1/tenants/acme/quota', { body: { limits } });

test('a container beyond the quota does not start, with the tenant, the limit and the use; with more room it does', async () => {
  await limit({ ports: 1 });
  await rig.run('h1', 'one', 'web');
  const said = await rig.refused('h1', 'run', '--detach', '--name', 'two', '--network', 'web', 'busybox', 'sleep', '9');
  assert.match(said, /QUOTA_EXCEEDED/);
  assert.match(said, /quota of tenant acme: 1 of 1 ports in use, no room for 1 more/);
  assert.equal((await rig.client.list('port', { tenant: 'acme' })).length, 1);
  assert.equal(await rig.docker('h1', 'inspect', '--format', '{{.State.Running}}', 'two'), 'false');
  await limit({ ports: 2 });
  await rig.docker('h1', 'start', 'two');
  await rig.reached('h1', 'one', await rig.place('h1', 'two', 'web'));
});

test('a network beyond the quota is not made, and a network within it is', async () => {
  await limit({ networks: 1 });
  const create = ['network', 'create', '--driver', 'heddle', '--opt', 'heddle.tenant=acme', '--subnet', '10.9.0.0/24'];
  assert.match(await rig.refused('h1', ...create, 'more'), /quota of tenant acme: 1 of 1 networks in use/);
  await limit({ networks: 2 });
  await rig.docker('h1', ...create, 'more');
  await rig.docker('h1', 'network', 'rm', 'more');
});
