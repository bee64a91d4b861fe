/** A real Docker engine in a network namespace: it outlives the command that started it, and can be ended and started again. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { delimiter } from 'node:path';
import { HeddleError } from '../model/errors.ts';
import { removeControlGroups } from './control-groups.ts';
import { makeEngineMounts } from './engine-mounts.ts';
import { tail } from './log-tail.ts';
import { unmountUnder } from './mounts.ts';
import type { EnginePlan } from './plan.ts';
import { gone, pidsInNetns, runningPid, signalPid, startDaemon, until } from './processes.ts';
import { must, type Ran, run } from './run.ts';

/** The unix socket on which an engine listens. */
export const engineSocket = (plan: Pick<EnginePlan, 'dir'>): string => `${plan.dir}/docker.sock`;
/** The pid file of an engine. */
export const enginePidFile = (plan: Pick<EnginePlan, 'dir'>): string => `${plan.dir}/engine.pid`;
/** What makes a docker client talk to an engine, and not as the user's own configuration says. */
export const engineEnv = (plan: Pick<EnginePlan, 'dir'>) => ({
  DOCKER_HOST: `unix://${engineSocket(plan)}`,
  DOCKER_CONFIG: `${plan.dir}/client`,
});

// The one that came with the engine: another, first in PATH, may be too new for it.
const packaged = '/usr/bin/docker';
const client = existsSync(packaged) ? packaged : 'docker';

/** Which of the programs that engines take is missing; undefined if there are all. */
export function engineMissing(): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const missing = ['dockerd', 'docker', 'containerd'].find((p) => !folders.some((f) => existsSync(`${f}/${p}`)));
  return missing && `Docker is not installed: there is no ${missing}`;
}

// An engine that was killed leaves its pid files, and believes them while the pid is a zombie's or another process's.
const forgetPids = 'rm -f /run/docker/containerd/containerd.pid; exec "$@"';

/** One engine; the object is only a way to it, and any number of them may exist. */
export class Engine implements AsyncDisposable {
  readonly plan: EnginePlan;
  readonly socket: string;
  readonly log: string;
  constructor(plan: EnginePlan) {
    this.plan = plan;
    this.socket = engineSocket(plan);
    this.log = `${plan.dir}/engine.log`;
  }

  /** Its pid if it runs. */
  get pid(): number | undefined {
    return runningPid(enginePidFile(this.plan));
  }

  /** Starts it if it does not run; resolves when it has been started, not when it answers. @throws LAB_FAILED */
  async start(): Promise<void> {
    if (this.pid !== undefined) return;
    const { dir, netns, flags = [], through = [] } = this.plan;
    if (!existsSync(`${dir}/mnt`)) {
      mkdirSync(`${dir}/client`, { recursive: true, mode: 0o700 });
      writeFileSync(`${dir}/daemon.json`, '{}');
    }
    const { mount, storageDriver } = await makeEngineMounts(dir, this.plan.plugins);
    rmSync(`${dir}/docker.pid`, { force: true });
    await startDaemon({
      argv: [
        ...['nsenter', `--mount=${mount}`, '--', ...through, 'sh', '-c', forgetPids, 'sh'],
        ...['dockerd', '--config-file', `${dir}/daemon.json`, '--pidfile', `${dir}/docker.pid`],
        ...['--data-root', `${dir}/data`, '--host', `unix://${this.socket}`, '--storage-driver', storageDriver],
        ...['--exec-opt', 'native.cgroupdriver=cgroupfs', '--cgroup-parent', `/${netns}`],
        ...flags,
      ],
      netns,
      log: this.log,
      pidFile: enginePidFile(this.plan),
    });
  }

  /** Resolves when its API answers. @throws LAB_FAILED with the log's last lines, at once if it has ended */
  async ready(deadlineMs = 30_000, signal?: AbortSignal): Promise<void> {
    await until(
      `an answer of the Docker engine in ${this.plan.netns}`,
      deadlineMs,
      async () => {
        if (this.pid === undefined)
          throw new HeddleError('LAB_FAILED', { problem: `the engine in ${this.plan.netns} ended\n${tail(this.log)}` });
        return (await answers(this.socket)) ? true : undefined;
      },
      signal,
    );
  }

  /** Kill −9: its containers go on until it is started again. @throws LAB_FAILED */
  async kill(): Promise<void> {
    await this.#end('SIGKILL', 5000);
  }

  /** Ends it as a service manager would; it stops its containers first. @throws LAB_FAILED */
  async stop(deadlineMs = 30_000): Promise<void> {
    await this.#end('SIGTERM', deadlineMs);
  }

  async #end(signal: NodeJS.Signals, deadlineMs: number): Promise<void> {
    const { pid } = this;
    if (pid === undefined) return;
    signalPid(pid, signal);
    await gone([pid], deadlineMs);
  }

  /** Ends it, all containers and whatever else runs in its namespace, and removes every trace of it. @throws LAB_FAILED */
  async remove(): Promise<void> {
    const { dir, netns } = this.plan;
    await this.kill();
    const pids = pidsInNetns([netns]);
    for (const pid of pids) signalPid(pid, 'SIGKILL');
    await gone(pids);
    await removeControlGroups((group) => group === netns);
    await unmountUnder(dir);
    rmSync(dir, { recursive: true, force: true });
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }

  /** Runs the docker client; what it prints, trimmed. @throws LAB_FAILED with what it said */
  async docker(...args: string[]): Promise<string> {
    return (await must([client, ...args], { env: this.env })).trim();
  }
  /** Runs the docker client, which may fail. */
  try(...args: string[]): Promise<Ran> {
    return run([client, ...args], { env: this.env });
  }
  /** The environment in which a docker client talks to it. */
  get env(): NodeJS.ProcessEnv {
    return { ...process.env, ...engineEnv(this.plan) };
  }
}

/** True if something answers as an engine does; false also if it takes longer than a second. */
function answers(socketPath: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const asked = request({ socketPath, path: '/_ping', timeout: 1000 }, (response) => {
    response.resume();
    resolve(response.statusCode === 200);
  });
  asked.on('timeout', () => asked.destroy());
  asked.on('error', () => resolve(false)); // it does not listen yet, or was too slow
  asked.end();
  return promise;
}
