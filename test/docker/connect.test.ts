// exclusive: not one ping may be lost, and a flood in another test fills the queues that all namespaces share
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PingStream } from '../traffic/ping-stream.ts';
import { DockerRig } from './rig.ts';

let rig: DockerRig;
before(async () => {
  rig = await DockerRig.open();
  await rig.addNetwork('acme', 'web', '10.0.0.0/24');
  await rig.addNetwork('acme', 'back', '10.1.0.0/24');
  await rig.addNetwork('acme', 'vault', '10.2.0.0/24');
  for (const host of ['h1', 'h2']) {
    await rig.join(host, 'web', 'acme', 'web');
    await rig.join(host, 'back', 'acme', 'back', '--subnet', '10.1.0.0/24');
  }
  await rig.run('h2', 'far', 'web');
  await rig.docker('h2', 'network', 'connect', 'back', 'far');
});
after(() => rig[Symbol.asyncDispose]());

const interfaces = async (container: string): Promise<string[]> =>
  [...(await rig.told('h1', container, 'ip', 'address')).matchAll(/inet (10\.\d)\./g)].map((m) => m[1]!).sort();
const defaults = async (container: string): Promise<string[]> =>
  [...(await rig.told('h1', container, 'ip', 'route')).matchAll(/^default via (\S+)/gm)].map((m) => m[1]!);

test('networks come and go on a running container, whose traffic on another network loses nothing', async () => {
  await rig.run('h1', 'near', 'web');
  await rig.reached('h1', 'near', await rig.place('h2', 'far', 'web'));
  const before = await rig.left();
  const far = await rig.place('h2', 'far', 'back');
  await using stream = new PingStream(await rig.netns('h1', 'near'), await rig.place('h2', 'far', 'web'));
  for (let i = 0; i < 3; i++) {
    await rig.docker('h1', 'network', 'connect', 'back', 'near');
    await rig.reached('h1', 'near', far);
    assert.deepEqual(await interfaces('near'), ['10.0', '10.1']);
    await rig.docker('h1', 'network', 'disconnect', 'back', 'near');
    assert.deepEqual(await interfaces('near'), ['10.0']);
  }
  const { sent, received } = await stream.stop();
  assert.equal(received, sent);
  await rig.leaves(before);
});

test('a container on several networks has one default route, and another when that network goes', async () => {
  await rig.run('h1', 'both', 'web');
  await rig.docker('h1', 'network', 'connect', '--ip', '10.1.0.99', 'back', 'both');
  assert.equal((await defaults('both')).length, 1);
  await rig.reached('h1', 'both', await rig.place('h2', 'far', 'back'));
  await rig.reached('h1', 'both', await rig.place('h2', 'far', 'web'));
  await rig.docker('h1', 'network', 'disconnect', 'web', 'both');
  assert.deepEqual(await defaults('both'), ['10.1.0.1']);
  await rig.docker('h1', 'network', 'disconnect', 'back', 'both');
  assert.deepEqual(await interfaces('both'), []);
  await rig.docker('h1', 'network', 'connect', 'web', 'both');
  assert.deepEqual(await defaults('both'), ['10.0.0.1']);
  await rig.docker('h1', 'rm', '--force', 'both');
});

test('a network that is internal gives no default route, and its containers reach each other', async () => {
  for (const host of ['h1', 'h2']) {
    await rig.join(host, 'vault', 'acme', 'vault', '--internal');
    await rig.run(host, `inner-${host}`, 'vault');
  }
  assert.deepEqual(await defaults('inner-h1'), []);
  await rig.reached('h1', 'inner-h1', await rig.place('h2', 'inner-h2', 'vault'));
  assert.equal(await rig.reaches('h1', 'inner-h1', await rig.place('h2', 'far', 'web')), false);
});

test('a container without any network gets one, and gives it back', async () => {
  await rig.run('h1', 'alone', 'none');
  const before = await rig.left();
  await rig.docker('h1', 'network', 'disconnect', 'none', 'alone');
  await rig.docker('h1', 'network', 'connect', 'web', 'alone');
  await rig.reached('h1', 'alone', await rig.place('h2', 'far', 'web'));
  await rig.docker('h1', 'network', 'disconnect', 'web', 'alone');
  await rig.docker('h1', 'network', 'connect', 'none', 'alone');
  assert.deepEqual(await interfaces('alone'), []);
  await rig.leaves(before);
});
