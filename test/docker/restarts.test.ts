// exclusive: not one ping may be lost, and a flood in another test fills the queues that all namespaces share
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { PingStream } from '../traffic/ping-stream.ts';
import { DockerRig, type Left } from './rig.ts';

let rig: DockerRig;
let empty: Left;
before(async () => {
  rig = await DockerRig.open();
  empty = await rig.joinWeb('--subnet', '10.0.0.0/24');
  await rig.run('h2', 'far', 'web');
});
after(() => rig[Symbol.asyncDispose]());

const far = () => rig.place('h2', 'far', 'web');
const names = async (): Promise<string[]> => (await rig.ports('acme')).map((p) => p.name).sort();
const restarts = (container: string) => rig.docker('h1', 'inspect', '--format', '{{.RestartCount}}', container);
const running = (container: string) =>
  until(`${container} running`, 20_000, async () =>
    (await rig.docker('h1', 'inspect', '--format', '{{.State.Running}}', container)) === 'true' ? true : undefined,
  );

test('a container that its policy restarts is on its network again, with the address that it asked for, and has one port', async () => {
  await rig.runs('h1', 'fixed', 'web', ['--restart', 'always', '--ip', '10.0.0.50'], ['sh', '-c', 'read < /tmp/end']);
  await rig.runs(
    'h1',
    'any',
    'web',
    ['--restart', 'on-failure'],
    ['sh', '-c', 'mkfifo /tmp/end; read x < /tmp/end; exit 1'],
  );
  await rig.exec('h1', 'any', 'sh', '-c', 'echo > /tmp/end');
  await until('the restart', 20_000, async () => ((await restarts('any')) === '0' ? undefined : true));
  await until('several restarts', 20_000, async () => (Number(await restarts('fixed')) >= 2 ? true : undefined));
  await rig.docker('h1', 'rm', '--force', 'fixed');
  await running('any');
  await rig.reached('h1', 'any', await far());
  await rig.docker('h1', 'rm', '--force', 'any');
  await until('no port left', 10_000, async () => ((await names()).join() === 'far' ? true : undefined));
});

test('an engine that is stopped and started, or killed, has its containers on their networks again', async () => {
  const engine = rig.lab.engine('h1');
  await rig.run('h1', 'kept', 'web', '--restart', 'always');
  await rig.run('h1', 'fixed', 'web', '--restart', 'always', '--ip', '10.0.0.60');
  await rig.run('h1', 'ended', 'web');
  for (const end of ['stop', 'kill'] as const) {
    await engine[end]();
    await engine.start();
    await engine.ready();
    for (const name of ['kept', 'fixed']) {
      await running(name);
      await rig.reached('h1', name, await far());
    }
    assert.equal(await rig.place('h1', 'fixed', 'web'), '10.0.0.60');
    await rig.docker('h1', 'start', 'ended');
    await rig.reached('h1', 'ended', await far());
  }
  await rig.docker('h1', 'rm', '--force', 'kept', 'fixed', 'ended');
  await until('no port left', 30_000, async () => ((await names()).join() === 'far' ? true : undefined));
});

test('containers that outlive their engine lose nothing, and are disconnected and removed by the next', async () => {
  const engine = rig.lab.engine('h1');
  writeFileSync(`${engine.plan.dir}/daemon.json`, '{"live-restore": true}');
  await engine.stop();
  await engine.start();
  await engine.ready();
  await rig.run('h1', 'lives', 'web', '--ip', '10.0.0.70');
  await rig.reached('h1', 'lives', await far());
  await using stream = new PingStream(await rig.netns('h1', 'lives'), await far());
  await engine.kill();
  await engine.start();
  await engine.ready();
  await rig.run('h1', 'next', 'web');
  await rig.reached('h1', 'next', '10.0.0.70');
  const { sent, received } = await stream.stop();
  assert.equal(received, sent);
  await rig.docker('h1', 'network', 'disconnect', 'web', 'lives');
  await rig.run('h1', 'heir', 'web', '--ip', '10.0.0.70');
  await rig.reached('h1', 'heir', await far());
  await rig.docker('h1', 'rm', '--force', 'lives', 'next', 'heir');
  await rig.docker('h2', 'rm', '--force', 'far');
  for (const host of ['h1', 'h2']) await rig.docker(host, 'network', 'rm', 'web');
  await rig.leaves(empty);
});
