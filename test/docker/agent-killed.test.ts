// exclusive: what is lost, and how soon an agent is back, are measured
import assert from 'node:assert/strict';
import { request } from 'node:http';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { run } from '../../src/lab/run.ts';
import { PingStream } from '../traffic/ping-stream.ts';
import { DockerRig } from './rig.ts';

let rig: DockerRig;
before(async () => {
  rig = await DockerRig.open();
  await rig.joinWeb();
  await rig.run('h1', 'near', 'web');
  await rig.run('h1', 'beside', 'web');
  await rig.run('h2', 'far', 'web');
});
after(() => rig[Symbol.asyncDispose]());

/** Containers that start and go, one after the other, until told to stop; those that fail while the agent is away count too. */
function churn(host: string) {
  let stopping = false;
  const tally = { worked: 0, failed: 0 };
  const done = (async () => {
    while (!stopping) {
      const { code } = await rig.lab.engine(host).try('run', '--rm', '--network', 'web', 'busybox', 'true');
      tally[code === 0 ? 'worked' : 'failed']++;
    }
    return tally;
  })();
  return () => {
    stopping = true;
    return done;
  };
}

/** A container that starts and goes: what an engine cannot do without the driver. */
const once = () => rig.docker('h1', 'run', '--rm', '--network', 'web', 'busybox', 'true');

test('an agent that is killed while containers come and go costs running ones not a packet', async () => {
  const before = await rig.left();
  const [near, beside, far] = await Promise.all([
    rig.netns('h1', 'near'),
    rig.place('h1', 'beside', 'web'),
    rig.place('h2', 'far', 'web'),
  ]);
  await rig.reached('h1', 'near', far);
  await rig.reached('h1', 'near', beside);
  await using across = new PingStream(near, far);
  await using within = new PingStream(near, beside);
  const stop = churn('h1');
  for (let i = 0; i < 3; i++) {
    await once();
    await rig.lab.kill('h1');
    await rig.lab.start('h1');
    // Without a second try: an engine waits for a driver that is away.
    await once();
  }
  const { worked } = await stop();
  assert.ok(worked > 0);
  for (const stream of [across, within]) {
    const { sent, received } = await stream.stop();
    assert.equal(received, sent);
  }
  await rig.leaves(before);
});

test('an agent serves its engine again within a second of its start', async () => {
  const tries: { backMs: number; allowedMs: number }[] = [];
  do {
    await rig.lab.kill('h1');
    const began = performance.now();
    await rig.lab.start('h1');
    await until('the driver’s answer', 60_000, () => activates(`${rig.lab.plan.dir}/h1/plugins/heddle.sock`));
    const backMs = performance.now() - began;
    await once();
    tries.push({ backMs, allowedMs: Math.max(1000, 20 * (await bareStartMs())) });
  } while (tries.length < 5 && tries.every((t) => t.backMs > t.allowedMs));
  assert.ok(
    tries.some((t) => t.backMs <= t.allowedMs),
    JSON.stringify(tries),
  );
});

/** How long this machine takes now to start a Node that does nothing; 40 ms if it has nothing else to do. */
async function bareStartMs(): Promise<number> {
  const began = performance.now();
  await run([process.execPath, '--eval', '0']);
  return performance.now() - began;
}

/** True if the driver answers the engine's first question. */
function activates(socketPath: string): Promise<true | undefined> {
  const { promise, resolve } = Promise.withResolvers<true | undefined>();
  const asked = request({ socketPath, path: '/Plugin.Activate', method: 'POST' }, (response) => {
    response.resume();
    resolve(response.statusCode === 200 || undefined);
  });
  asked.on('error', () => resolve(undefined)); // nobody listens yet
  asked.end();
  return promise;
}
