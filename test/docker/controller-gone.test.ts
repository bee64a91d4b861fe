// exclusive: how soon an engine answers is measured
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { DockerRig, type Left } from './rig.ts';

/** An engine must answer within this after its start, milliseconds: it waits much longer for a driver that does not answer. */
const bootMs = 5_000;

let rig: DockerRig;
let empty: Left;
before(async () => {
  rig = await DockerRig.open();
  empty = await rig.joinWeb();
  await rig.run('h2', 'far', 'web');
  await rig.run('h1', 'first', 'web', '--restart', 'always');
  await rig.run('h1', 'second', 'web');
  await rig.reached('h1', 'first', await rig.place('h2', 'far', 'web'));
  for (const name of ['far', 'first', 'second']) await rig.port('acme', name);
});
after(() => rig[Symbol.asyncDispose]());

const names = async (): Promise<string[]> => (await rig.ports('acme')).map((p) => p.name).sort();

/** Kills h1's engine and starts it again, which must be quick once in three times: the machine may be busy with something else. */
async function bootsInTime(): Promise<void> {
  const engine = rig.lab.engine('h1');
  const took: number[] = [];
  while (took.length < 3) {
    await engine.kill();
    const began = performance.now();
    await engine.start();
    await engine.ready(60_000);
    took.push(performance.now() - began);
    if (took.at(-1)! < bootMs) return;
  }
  assert.fail(`an engine took ${took.map(Math.round)} ms to boot`);
}
/** Resolves when a container runs that its policy restarts. */
async function runsAgain(container: string): Promise<void> {
  await until(`the restart of ${container}`, 30_000, async () => {
    const { code } = await rig.exec('h1', container, 'true');
    return code === 0 ? true : undefined;
  });
}

test('without the controller containers run, stop, start, and are removed; it learns of all that when it is back', async () => {
  const { lab } = rig;
  const near = await rig.place('h1', 'first', 'web');
  await lab.kill('controller');
  await rig.run('h1', 'third', 'web');
  assert.equal(await rig.reaches('h1', 'third', near), true);
  await rig.docker('h1', 'stop', 'second');
  await rig.docker('h1', 'start', 'second');
  assert.equal(await rig.reaches('h1', 'second', near), true);
  await rig.docker('h1', 'run', '--rm', '--network', 'web', 'busybox', 'true');
  await rig.docker('h1', 'rm', '--force', 'second');
  assert.match(
    await rig.refused('h1', 'network', 'create', '--driver', 'heddle', '--ipam-driver', 'heddle', 'new'),
    /CONTROLLER_UNREACHABLE/,
  );

  // The engine dies too: it boots, and what its policy restarts is on the network.
  await bootsInTime();
  await runsAgain('first');
  await rig.docker('h1', 'start', 'third');
  await rig.reached('h1', 'third', await rig.place('h1', 'first', 'web'));

  // The agent too: it knows from its disk what it was told.
  await lab.kill('h1');
  await lab.start('h1');
  await bootsInTime();
  await runsAgain('first');
  await rig.run('h1', 'fourth', 'web');
  await rig.reached('h1', 'fourth', await rig.place('h1', 'first', 'web'));
  await rig.docker('h1', 'rm', '--force', 'third');

  await lab.start('controller');
  await lab.ready('controller');
  await lab.ready('h1');
  await until('the ports known', 20_000, async () =>
    (await names()).join() === 'far,first,fourth' ? true : undefined,
  );
  const addresses = (await rig.ports('acme')).flatMap((p) => p.addresses);
  assert.equal(new Set(addresses).size, addresses.length, addresses.join());
  await rig.reached('h1', 'fourth', await rig.place('h2', 'far', 'web'));
});

test('an engine that is started before its agent is ready when the agent is, with what its policy restarts', async () => {
  const { lab } = rig;
  await lab.kill('h1');
  await lab.engine('h1').kill();
  await lab.engine('h1').start();
  await lab.start('h1');
  // Docker asks for its drivers one second after the first time, then after two, four and so on.
  await lab.engine('h1').ready(60_000);
  await lab.ready('h1');
  await runsAgain('first');
  await rig.reached('h1', 'first', await rig.place('h2', 'far', 'web'));
});

test('what is removed without the controller is gone there when it is back', async () => {
  const { lab } = rig;
  await lab.kill('controller');
  await rig.docker('h1', 'rm', '--force', 'first', 'fourth');
  await rig.docker('h2', 'rm', '--force', 'far');
  for (const host of ['h1', 'h2']) await rig.docker(host, 'network', 'rm', 'web');
  await lab.start('controller');
  await lab.ready('controller');
  for (const host of ['h1', 'h2']) await lab.ready(host);
  await rig.leaves(empty);
});
