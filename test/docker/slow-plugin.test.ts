/** F20: a plug-in that does not answer for a minute holds up what needs it and nothing else, and goes on as if nothing had been. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, type IncomingMessage, request } from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { readText } from '../../src/client/transport.ts';
import type { Engine } from '../../src/lab/engine.ts';
import { DockerRig, type Left } from './rig.ts';

const sleepMs = 60_000;

let rig: DockerRig;
let empty: Left;
before(async () => {
  rig = await DockerRig.open();
  empty = await rig.joinWeb();
  await rig.run('h1', 'alone', 'bridge');
  for (const container of ['ends', 'leaves']) await rig.run('h1', container, 'web');
  await rig.docker('h1', 'create', '--name', 'unwanted', '--network', 'web', 'busybox', 'sleep', 'infinity');
  await rig.run('h2', 'far', 'web', '--restart', 'always');
});
after(() => rig[Symbol.asyncDispose]());

/** Both agents sleep, and do not even refuse: what calls them finds open sockets. */
async function asleep<T>(work: () => Promise<T>): Promise<T> {
  const hosts = ['h1', 'h2'];
  for (const host of hosts) await rig.lab.kill(host, 'SIGSTOP');
  try {
    return await work();
  } finally {
    for (const host of hosts) await rig.lab.kill(host, 'SIGCONT');
  }
}

/** A connection to a host's plug-in that stays open between calls, as an engine's do. */
class Connection implements Disposable {
  readonly #agent = new Agent({ keepAlive: true });
  readonly #socketPath: string;
  constructor(host: string) {
    this.#socketPath = `${rig.lab.plan.dir}/${host}/plugins/heddle.sock`;
  }
  async call(): Promise<void> {
    const path = '/NetworkDriver.GetCapabilities';
    const asked = request({ agent: this.#agent, socketPath: this.#socketPath, path, method: 'POST' }).end();
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    assert.match(await readText(response), /"Scope":"local"/);
  }
  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** Starts a container, or goes away. @throws the signal's reason */
async function starts({ socket }: Engine, container: string, signal: AbortSignal): Promise<void> {
  const asked = request({ socketPath: socket, path: `/containers/${container}/start`, method: 'POST', signal });
  asked.end();
  await once(asked, 'response').catch(() => signal.throwIfAborted());
}

test('calls of an engine wait for a plug-in that sleeps for 60 s, and nothing of them is left', async () => {
  const [h1, h2] = [rig.lab.engine('h1'), rig.lab.engine('h2')];
  const forever = ['--detach', '--stop-signal', 'KILL', '--network', 'web'];
  using connection = new Connection('h1');
  await connection.call();
  const waiting = await asleep(async () => {
    const over = delay(sleepMs); // nothing to wait for: what is tested is that nothing happens
    const begun = [
      ['run', ...forever, '--name', 'late', 'busybox', 'sleep', 'infinity'],
      ['network', 'create', '--driver', 'heddle', '--ipam-driver', 'heddle', 'made'],
      ['network', 'connect', 'web', 'alone'],
      ['network', 'disconnect', 'web', 'leaves'],
      ['rm', '--force', 'ends'],
    ].map((words): Promise<unknown> => h1.docker(...words));
    begun.push(connection.call());
    // One whose user does not wait for it.
    await assert.rejects(starts(h1, 'unwanted', AbortSignal.timeout(sleepMs / 4)), { name: 'TimeoutError' });
    // An engine that boots meanwhile.
    await h2.kill();
    await h2.start();
    assert.equal(await h1.docker('run', '--rm', 'busybox', 'echo', 'here'), 'here', 'what needs no plug-in goes on');
    await over;
    return begun;
  });
  await Promise.all(waiting);
  await h2.ready();
  for (const host of ['h1', 'h2'])
    assert.doesNotMatch(readFileSync(rig.lab.logFile(host), 'utf8'), /a call of Docker was refused/);
  const far = await rig.place('h2', 'far', 'web');
  for (const container of ['late', 'alone']) await rig.reached('h1', container, far);
  await rig.docker('h1', 'rm', '--force', 'late', 'alone', 'leaves', 'unwanted');
  await rig.docker('h2', 'rm', '--force', 'far');
  await rig.docker('h1', 'network', 'rm', 'made');
  for (const host of ['h1', 'h2']) await rig.docker(host, 'network', 'rm', 'web');
  await rig.leaves(empty);
});
