/** F20: commands that cross each other on one engine end somehow, each; and then everything is as the engine says. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import type { Ran } from '../../src/lab/run.ts';
import { DockerRig, type Left } from './rig.ts';

/** Containers that the same is done to side by side, and how often. */
// No hex digits alone: Docker takes those of a name that is not there for the beginning of another's id.
const containers = ['racer1', 'racer2', 'racer3', 'racer4'];
const rounds = 3;

let rig: DockerRig;
let idle: Left;
before(async () => {
  rig = await DockerRig.open();
  for (const [i, network] of ['web', 'back'].entries()) {
    await rig.addNetwork('acme', network, `10.${i}.0.0/24`);
    for (const host of ['h1', 'h2']) await rig.join(host, network, 'acme', network, '--subnet', `10.${i}.0.0/24`);
  }
  await rig.run('h2', 'far', 'web');
  await rig.docker('h2', 'network', 'connect', 'back', 'far');
  idle = await rig.left();
});
after(() => rig[Symbol.asyncDispose]());
/** Everything was removed by the very calls: nothing had to be found later, as what an engine has forgotten is. */
afterEach(() => {
  assert.doesNotMatch(readFileSync(rig.lab.logFile('h1'), 'utf8'), /the engine does not know it any more/);
});

/** Commands that begin together; what fails is refused, by the engine or by us, and not by a mistake of ours. */
async function together(...commands: string[][]): Promise<Ran[]> {
  const ran = await Promise.all(commands.map((words) => rig.lab.engine('h1').try(...words)));
  for (const { stderr } of ran) assert.doesNotMatch(stderr, /INTERNAL|BAD_REQUEST|INVALID|WAIT_TIMEOUT|KERNEL/);
  return ran;
}
const each = (work: (container: string) => Promise<unknown>) => Promise.all(containers.map(work));
const removed = async (container: string) => {
  await rig.lab.engine('h1').try('rm', '--force', container);
  assert.match(await rig.refused('h1', 'container', 'inspect', container), /No such container/);
};
const create = (name: string, ...options: string[]) =>
  rig.docker(
    'h1',
    'create',
    '--name',
    name,
    '--network',
    'web',
    '--stop-signal',
    'KILL',
    ...options,
    'busybox',
    'sleep',
    'infinity',
  );

test('a container that joins and leaves a network at once is on it if its engine says so, and else nothing of it is', async () => {
  await each((c) => rig.run('h1', c, 'web'));
  const before = await rig.left();
  const [web, back] = [await rig.place('h2', 'far', 'web'), await rig.place('h2', 'far', 'back')];
  const [joins, leaves] = [
    ['network', 'connect', 'back'],
    ['network', 'disconnect', 'back'],
  ];
  await each(async (c) => {
    for (let i = 0; i < rounds; i++) {
      await together([...joins, c], [...leaves, c], [...joins, c], [...leaves, c]);
      const is = (await rig.docker('h1', 'inspect', '--format', '{{json .NetworkSettings.Networks}}', c)).includes(
        '"back"',
      );
      if (is) {
        await rig.reached('h1', c, back);
        await rig.docker('h1', ...leaves, c);
      } else {
        await rig.docker('h1', ...joins, c);
        await rig.reached('h1', c, back);
        await rig.docker('h1', ...leaves, c);
      }
    }
    await rig.reached('h1', c, web);
  });
  await rig.leaves(before);
  await each(removed);
  await rig.leaves(idle);
});

test('a container that is removed or killed while it starts leaves nothing', async () => {
  await each(async (c) => {
    for (let i = 0; i < rounds; i++) {
      await create(c);
      await together(['start', c], ['rm', '--force', c]);
      await removed(c);
      await create(c);
      await together(['start', c], ['kill', c], ['restart', c]);
      await removed(c);
    }
  });
  await rig.leaves(idle);
});

test('of containers that ask for one address at once, one gets it', async () => {
  await each((c) => create(c, '--ip', '10.0.0.77'));
  for (let i = 0; i < rounds; i++) {
    const ran = await together(...containers.map((c) => ['start', c]));
    assert.equal(ran.filter(({ code }) => code === 0).length, 1, ran.map(({ stderr }) => stderr).join(''));
    const winner = containers[ran.findIndex(({ code }) => code === 0)]!;
    await rig.reached('h1', winner, await rig.place('h2', 'far', 'web'));
    await rig.docker('h1', 'kill', winner);
  }
  await each(removed);
  await rig.leaves(idle);
});

test('a network that is removed while containers come to it either stays with them, or is gone', async () => {
  await each((c) => rig.run('h1', c, 'none'));
  await each((c) => rig.docker('h1', 'network', 'disconnect', 'none', c));
  for (let i = 0; i < rounds; i++) {
    await rig.docker('h1', 'network', 'create', '--driver', 'heddle', '--ipam-driver', 'heddle', 'short');
    await together(...containers.map((c) => ['network', 'connect', 'short', c]), ['network', 'rm', 'short']);
    for (const c of containers) await rig.lab.engine('h1').try('network', 'disconnect', '--force', 'short', c);
    await rig.lab.engine('h1').try('network', 'rm', 'short');
    assert.match(await rig.refused('h1', 'network', 'inspect', 'short'), /No such network/);
  }
  await each(removed);
  await rig.leaves(idle);
});
