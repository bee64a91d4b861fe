// exclusive: not one ping may be lost, and a flood in another test fills the queues that all namespaces share
/** Networks with `heddle.connect=direct`: a running container's interface is made in the container, not moved there by the engine. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { linkNames, openNetns } from '../../src/kernel/netns.ts';
import { until } from '../../src/lab/processes.ts';
import { PingStream } from '../traffic/ping-stream.ts';
import { DockerRig } from './rig.ts';

const direct = ['--opt', 'heddle.connect=direct'];
let rig: DockerRig;
before(async () => {
  rig = await DockerRig.open();
  await rig.addNetwork('acme', 'web', '10.0.0.0/24');
  await rig.addNetwork('acme', 'aback', '10.1.0.0/24', 'fd00:1::/64');
  await rig.addNetwork('acme', 'cellar', '10.2.0.0/24');
  for (const host of ['h1', 'h2']) {
    await rig.join(host, 'web', 'acme', 'web');
    await rig.join(
      host,
      'aback',
      'acme',
      'aback',
      '--ipv6',
      '--subnet',
      '10.1.0.0/24',
      '--subnet',
      'fd00:1::/64',
      ...direct,
    );
    await rig.join(host, 'cellar', 'acme', 'cellar', ...direct);
    await rig.run(host, `home-${host}`, 'web');
  }
  for (const network of ['aback', 'cellar']) await rig.docker('h2', 'network', 'connect', network, 'home-h2');
});
after(() => rig[Symbol.asyncDispose]());

const connect = (network: string, container: string, ...options: string[]) =>
  rig.docker('h1', 'network', 'connect', ...options, network, container);
const disconnect = (network: string, container: string) =>
  rig.docker('h1', 'network', 'disconnect', network, container);
const far = (network: string, field?: string) => rig.place('h2', 'home-h2', network, field);

// Each leaves the container as it found it, also when it fails.
afterEach(async () => {
  for (const network of ['aback', 'cellar'])
    await rig.lab.engine('h1').try('network', 'disconnect', network, 'home-h1');
});

/** The name of the interface that has an address of a network, by the address's beginning. */
async function interfaceOf(container: string, start: string): Promise<string | undefined> {
  const shown = await rig.told('h1', container, 'ip', '-o', 'address');
  const line = shown.split('\n').find((l) => l.includes(`inet ${start}`));
  return line && /^\d+: (\w+)/.exec(line)?.[1];
}
const defaults = async (container: string): Promise<string[]> =>
  [...(await rig.told('h1', container, 'ip', 'route')).matchAll(/^default via (\S+)/gm)].map((m) => m[1]!);

test('a running container comes and goes with all that it had, and its traffic on another network loses nothing', async () => {
  const before = await rig.left();
  await using stream = new PingStream(await rig.netns('h1', 'home-h1'), await far('web'));
  for (let i = 0; i < 3; i++) {
    await connect('cellar', 'home-h1', '--alias', 'db');
    assert.equal(await interfaceOf('home-h1', '10.2.'), 'heddle0');
    await rig.reached('h1', 'home-h1', await far('cellar'));
    await rig.reached('h2', 'home-h2', await rig.place('h1', 'home-h1', 'cellar'));
    await disconnect('cellar', 'home-h1');
    assert.equal(await interfaceOf('home-h1', '10.2.'), undefined);
  }
  const { sent, received } = await stream.stop();
  assert.equal(received, sent);
  await rig.leaves(before);
});

test('the engine gives it the default route when it is its turn, and addresses of both families work', async () => {
  await connect('aback', 'home-h1', '--ip', '10.1.0.99', '--ip6', 'fd00:1::99');
  assert.equal(await rig.place('h1', 'home-h1', 'aback'), '10.1.0.99');
  // Of two networks the engine takes the first by name.
  assert.deepEqual(await defaults('home-h1'), ['10.1.0.1']);
  await rig.reached('h1', 'home-h1', await far('aback'));
  await rig.reached('h1', 'home-h1', await far('aback', 'GlobalIPv6Address'));
  await rig.reached('h1', 'home-h1', 'fd00:1::99');
  await rig.reached('h1', 'home-h1', await far('web'));
  assert.match(await rig.told('h1', 'home-h1', 'ip', '-6', 'route'), /^default via fd00:1::1 dev heddle0/m);
  await disconnect('aback', 'home-h1');
  assert.deepEqual(await defaults('home-h1'), ['10.0.0.1']);
  await rig.reached('h1', 'home-h1', await far('web'));
});

test('a second such network is moved in as usual, and each goes without the other', async () => {
  const before = await rig.left();
  await connect('cellar', 'home-h1');
  await connect('aback', 'home-h1');
  assert.equal(await interfaceOf('home-h1', '10.2.'), 'heddle0');
  assert.equal(await interfaceOf('home-h1', '10.1.'), 'eth1');
  for (const network of ['cellar', 'aback']) await rig.reached('h1', 'home-h1', await far(network));
  await disconnect('cellar', 'home-h1');
  await rig.reached('h1', 'home-h1', await far('aback'));
  await disconnect('aback', 'home-h1');
  await rig.leaves(before);
});

test('a network that the container reaches already is refused by the engine, as any driver’s is', async () => {
  await rig.join('h1', 'web-again', 'acme', 'web', ...direct);
  const before = await rig.left();
  await rig.run('h1', 'twice', 'web');
  assert.match(await rig.refused('h1', 'network', 'connect', 'web-again', 'twice'), /conflicts with existing route/);
  await rig.reached('h1', 'twice', await far('web'));
  await rig.docker('h1', 'rm', '--force', 'twice');
  await rig.leaves(before);
});

test('a port beyond the quota is refused before the container has anything of it', async () => {
  const before = await rig.left();
  const limit = (limits: object) => rig.client.request('PATCH', '/v1/tenants/acme/quota', { body: { limits } });
  await rig.run('h1', 'poor', 'web');
  await limit({ ports: (await rig.ports('acme')).length });
  assert.match(await rig.refused('h1', 'network', 'connect', 'cellar', 'poor'), /QUOTA_EXCEEDED/);
  assert.equal(await interfaceOf('poor', '10.2.'), undefined);
  await limit({ ports: null });
  await rig.docker('h1', 'rm', '--force', 'poor');
  await rig.leaves(before);
});

test('a container that starts on such a network, or starts anew with one, gets its interface from the engine', async () => {
  const before = await rig.left();
  await rig.run('h1', 'fresh', 'cellar');
  assert.equal(await interfaceOf('fresh', '10.2.'), 'eth0');
  await connect('aback', 'fresh');
  assert.equal(await interfaceOf('fresh', '10.1.'), 'heddle0');
  await rig.docker('h1', 'restart', 'fresh');
  assert.match((await interfaceOf('fresh', '10.1.')) ?? '', /^eth[01]$/);
  for (const network of ['cellar', 'aback']) await rig.reached('h1', 'fresh', await far(network));
  await rig.docker('h1', 'rm', '--force', 'fresh');
  await rig.leaves(before);
});

test('a name that the container has taken itself is left to it', async () => {
  const added = await rig.inside('h1', 'home-h1', 'ip', 'link', 'add', 'heddle0', 'type', 'veth');
  assert.equal(added.code, 0, added.stderr);
  await connect('cellar', 'home-h1');
  assert.equal(await interfaceOf('home-h1', '10.2.'), 'heddle1');
  await rig.reached('h1', 'home-h1', await far('cellar'));
  await disconnect('cellar', 'home-h1');
  await rig.inside('h1', 'home-h1', 'ip', 'link', 'delete', 'heddle0');
});

test('an agent that is killed costs it nothing, and what was connected before goes after', async () => {
  const before = await rig.left();
  await connect('cellar', 'home-h1');
  await using stream = new PingStream(await rig.netns('h1', 'home-h1'), await far('cellar'));
  await rig.lab.kill('h1');
  await rig.lab.start('h1');
  await rig.inSync('h1');
  const { sent, received } = await stream.stop();
  assert.equal(received, sent);
  await disconnect('cellar', 'home-h1');
  await rig.leaves(before);
});

test('an agent killed in the middle of a connect leaves nothing that stays', async () => {
  const before = await rig.left();
  const records = `${rig.lab.plan.dir}/h1/state/attachments`;
  using host = openNetns(rig.lab.host('h1').netns);
  /** What there is more of when its port is on record, and when its pair is there. */
  const begun = [() => readdirSync(records).length, () => linkNames(host).size];
  let cut = 0;
  for (const count of begun)
    for (let i = 0; i < 4; i++) {
      const idle = count();
      const connecting = rig.lab.engine('h1').try('network', 'connect', 'cellar', 'home-h1');
      await new Promise<void>((resolve) => {
        const look = () => (count() > idle ? resolve() : setImmediate(look));
        look();
        // Should it fail before.
        void connecting.then(() => resolve());
      });
      await rig.lab.kill('h1');
      await rig.lab.start('h1');
      if ((await connecting).code !== 0) {
        cut++;
        // The engine could not tell the agent that it has given up, and keeps what it has of it.
        await rig.lab.engine('h1').try('network', 'disconnect', '--force', 'cellar', 'home-h1');
        await connect('cellar', 'home-h1');
      }
      await rig.reached('h1', 'home-h1', await far('cellar'));
      await disconnect('cellar', 'home-h1');
      await rig.leaves(before);
    }
  assert.ok(cut > 0, 'not one was killed in the middle');
});

test('an engine that is killed leaves nothing of it', async () => {
  await rig.docker('h1', 'stop', 'home-h1');
  const before = await rig.left();
  await rig.run('h1', 'doomed', 'web');
  await connect('cellar', 'doomed');
  const engine = rig.lab.engine('h1');
  await engine.kill();
  await engine.start();
  await engine.ready();
  await rig.docker('h1', 'rm', '--force', 'doomed');
  await rig.leaves(before);
  await rig.docker('h1', 'start', 'home-h1');
});

test('an engine that restarts under the container (live-restore) finds it, and can disconnect it', async () => {
  const before = await rig.left();
  const engine = rig.lab.engine('h1');
  const restart = async () => {
    await engine.kill();
    await engine.start();
    await engine.ready();
  };
  writeFileSync(join(engine.plan.dir, 'daemon.json'), '{"live-restore":true}');
  await restart();
  await rig.docker('h1', 'start', 'home-h1');
  await connect('cellar', 'home-h1');
  await using stream = new PingStream(await rig.netns('h1', 'home-h1'), await far('cellar'));
  await restart();
  const { sent, received } = await stream.stop();
  assert.equal(received, sent);
  await connect('aback', 'home-h1');
  await disconnect('cellar', 'home-h1');
  for (const network of ['aback', 'web']) await rig.reached('h1', 'home-h1', await far(network));
  await disconnect('aback', 'home-h1');
  await until('what it had to be gone', 20_000, async () =>
    (await interfaceOf('home-h1', '10.1.')) ? undefined : true,
  );
  await rig.leaves(before);
});
