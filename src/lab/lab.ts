/** A lab: several hosts on this machine as network namespaces, with an underlay, a controller and an agent for each. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { type Client, openClient } from '../client/client.ts';
import { openLocal } from '../client/local.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import { caFile, giveAccess, userEnv } from './access.ts';
import { listenAt, listenAtFree, readSaved, type Saved } from './api-port.ts';
import { agentDaemon, controllerDaemon, joinTokenFile, logFile, pidFile } from './daemons.ts';
import { Engine, engineEnv, engineMissing } from './engine.ts';
import { importImage, writeImage } from './image.ts';
import { lockLab } from './lock.ts';
import { tail } from './log-tail.ts';
import { type HostPlan, type LabOptions, type LabPlan, labDir, netnsPath, planLab, workloadNetns } from './plan.ts';
import { gone, runningPid, signalPid, startDaemon, until } from './processes.ts';
import { labNetns, removeLab } from './remove.ts';
import { ipBatch, must, type Ran, type RunOptions, run } from './run.ts';
import { makeUnderlay, setCable } from './underlay.ts';

/** How `createLab` is made and watched. */
export interface CreateLab extends LabOptions {
  /** Called at every step, with a text for people. */
  readonly onProgress?: (text: string) => void;
  /** Aborting removes what was made so far. */
  readonly signal?: AbortSignal;
  /** First TCP port on 127.0.0.1 to try for the API; default 7470. */
  readonly apiPort?: number;
  /** For everything to be up, milliseconds; default 20 s and 200 ms for every host. */
  readonly deadlineMs?: number;
}

/** So long a daemon may take to answer when asked how it is; then it is asked again. */
const probeMs = 3_000;

/** Which daemon: the controller or a host by its name. */
export type Target = 'controller' | (string & {});

/** One host of a running lab. */
export class LabHost {
  readonly name: string;
  /** Path of its network namespace. */
  readonly netns: string;
  /** Its underlay address. */
  readonly vtep: string;
  /** The agent's unix socket. */
  readonly agentSocket: string;
  readonly log: string;
  /** Its Docker engine, in a lab with engines. */
  readonly engine?: Engine;
  readonly #env: NodeJS.ProcessEnv;
  constructor(lab: LabPlan, plan: HostPlan) {
    this.name = plan.name;
    this.netns = netnsPath(plan.netns);
    this.vtep = plan.vtep;
    this.agentSocket = plan.agentSocket;
    this.log = logFile(lab, plan);
    if (plan.engine) this.engine = new Engine(plan.engine);
    this.#env = {
      HEDDLE_AGENT: plan.agentSocket,
      HEDDLE_CONTROLLER: `unix:${lab.controllerSocket}`,
      ...(plan.engine && engineEnv(plan.engine)),
    };
  }
  /** The environment in which the CLI talks to this host's agent and the lab's controller, and docker to its engine. */
  get env(): NodeJS.ProcessEnv {
    return { ...process.env, ...this.#env };
  }
  /** What to run instead of a program to have it run on this host. */
  argv(argv: readonly string[]): string[] {
    return ['nsenter', `--net=${this.netns}`, '--', ...argv];
  }
  /** Runs a program on this host. */
  exec(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return run(this.argv(argv), { env: this.env, ...options });
  }
}

/** A lab that exists; disposing removes it. */
export class Lab implements AsyncDisposable {
  readonly plan: LabPlan;
  readonly name: string;
  readonly hosts: readonly LabHost[];
  /** The API's address for this machine's own namespace, "https://127.0.0.1:7470". */
  readonly apiAddress: string;
  /** The API's address everywhere on this machine, "unix:/run/…". */
  readonly controllerAddress: string;
  /** The authority that it shows there, PEM. */
  readonly caFile: string;
  readonly #apiPort: number;
  constructor(saved: Saved) {
    this.plan = planLab(saved.options);
    this.name = this.plan.name;
    this.hosts = this.plan.hosts.map((h) => new LabHost(this.plan, h));
    this.apiAddress = `https://127.0.0.1:${saved.apiPort}`;
    this.controllerAddress = `unix:${this.plan.controllerSocket}`;
    this.caFile = caFile(this.plan.dir);
    this.#apiPort = saved.apiPort;
  }

  /** The environment in which this process's user talks to the lab's controller. @throws USAGE if it may not */
  get env(): Readonly<Record<string, string>> {
    if (process.geteuid?.() === 0) return { HEDDLE_CONTROLLER: this.controllerAddress };
    try {
      return userEnv(this.plan.dir, this.apiAddress);
    } catch (cause) {
      throw new HeddleError(
        'USAGE',
        { problem: `lab ${this.name} is not yours: whoever made it, and root, may` },
        cause,
      );
    }
  }
  /** A client of the lab's controller. */
  client(): Client {
    return openClient(this.controllerAddress);
  }
  /** @throws NOT_FOUND */
  host(name: string): LabHost {
    const host = this.hosts.find((h) => h.name === name);
    if (!host) throw new HeddleError('NOT_FOUND', { kind: `host of lab ${this.name}`, name });
    return host;
  }
  /** A host's Docker engine. @throws NOT_FOUND */
  engine(name: string): Engine {
    const { engine } = this.host(name);
    if (!engine) throw new HeddleError('NOT_FOUND', { kind: `Docker engine of lab ${this.name}`, name });
    return engine;
  }
  #hostPlan(name: string): HostPlan {
    return this.plan.hosts[this.hosts.indexOf(this.host(name))]!;
  }
  #target(target: Target): 'controller' | HostPlan {
    return target === 'controller' ? 'controller' : this.#hostPlan(target);
  }

  /** Makes an empty network namespace for a workload; the path to attach. @throws LAB_FAILED */
  async addWorkload(name: string): Promise<string> {
    const netns = workloadNetns(this.name, name);
    await ipBatch([`netns add ${netns}`]);
    await ipBatch(['link set lo up'], netns);
    return netnsPath(netns);
  }
  /** Runs a program in a workload's namespace. */
  execIn(workload: string, argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
    return run(['nsenter', `--net=${netnsPath(workloadNetns(this.name, workload))}`, '--', ...argv], options);
  }
  /** Deletes a workload's namespace, and with it its devices. @throws LAB_FAILED */
  async removeWorkload(name: string): Promise<void> {
    await ipBatch([`netns delete ${workloadNetns(this.name, name)}`]);
  }

  /** The pid of a daemon, if it runs. */
  pid(target: Target): number | undefined {
    return runningPid(pidFile(this.plan, this.#target(target)));
  }
  /** Where a daemon's log is. */
  logFile(target: Target): string {
    return logFile(this.plan, this.#target(target));
  }
  /** Sends a daemon a signal and, if it ends processes, waits for the end. @throws LAB_FAILED */
  async kill(target: Target, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const pid = this.pid(target);
    if (pid === undefined) return;
    signalPid(pid, signal);
    if (['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGQUIT'].includes(signal)) await gone([pid]);
  }
  /** Starts a daemon that does not run; resolves when it has been started, not when it is ready. @throws LAB_FAILED */
  async start(target: Target): Promise<void> {
    if (this.pid(target) !== undefined) return;
    const of = this.#target(target);
    if (of === 'controller') await startController(this.plan, await listenAt(this.#apiPort));
    else await startDaemon(agentDaemon(this.plan, of));
  }
  /** Ends a daemon with SIGTERM, starts it again, and resolves when it is up: the controller answers, the host is online. */
  async restart(target: Target, deadlineMs = 20_000): Promise<void> {
    await this.kill(target, 'SIGTERM');
    await this.start(target);
    await this.ready(target, deadlineMs);
  }
  /**
   * Resolves when the controller answers; of a host, when it is online by the agent that runs now: for a while after a
   * kill the controller still counts the one before. @throws LAB_FAILED with the log's last lines
   */
  async ready(target: Target, deadlineMs = 20_000, signal?: AbortSignal): Promise<void> {
    const what = target === 'controller' ? 'the controller’s first answer' : `the agent of ${target} coming online`;
    await this.#watched([target], what, deadlineMs, signal, async () => {
      if (target !== 'controller' && !(await this.#inStep(this.host(target)))) return undefined;
      const online = await this.#online();
      return online && (target === 'controller' || online.has(target)) ? true : undefined;
    });
  }
  /** True if a host's agent says that it is connected and has been told everything. */
  async #inStep({ agentSocket }: LabHost): Promise<boolean> {
    try {
      const status = await openLocal(agentSocket).request('GET', '/v1/status', { deadlineMs: probeMs });
      const { synced, controller } = status as { synced: boolean; controller: { connected: boolean } };
      return synced && controller.connected;
    } catch (e) {
      if (hasCode(e, 'AGENT_UNREACHABLE')) return false;
      throw e;
    }
  }
  /** Names of the hosts that are online; undefined if the controller does not answer. */
  async #online(): Promise<Set<string> | undefined> {
    try {
      const hosts = await this.client().list('host', { deadlineMs: probeMs });
      return new Set(hosts.filter((h) => h.status.condition === 'online').map((h) => h.name));
    } catch (e) {
      if (hasCode(e, 'CONTROLLER_UNREACHABLE')) return undefined;
      throw e;
    }
  }
  /** Waits for something that these daemons bring about; fails at once when one of them ends. */
  async #watched(
    targets: readonly Target[],
    what: string,
    deadlineMs: number,
    signal: AbortSignal | undefined,
    probe: () => Promise<true | undefined>,
  ): Promise<void> {
    const fail = (problem: string, target: Target, cause?: unknown): never => {
      throw new HeddleError('LAB_FAILED', { problem: `${problem}\n${tail(this.logFile(target))}` }, cause);
    };
    const watched = async (): Promise<true | undefined> => {
      for (const target of targets) if (this.pid(target) === undefined) fail(`${target} ended`, target);
      return probe();
    };
    try {
      await until(what, deadlineMs, watched, signal);
    } catch (e) {
      if (!hasCode(e, 'LAB_FAILED') || e.message.includes('\n')) throw e;
      fail(e.details.problem, targets.at(-1)!, e);
    }
  }
  /** Resolves when all hosts are online. @throws LAB_FAILED */
  async allOnline(deadlineMs: number, signal?: AbortSignal, onProgress?: (text: string) => void): Promise<void> {
    let shown = -1;
    const waiting = new Set(this.hosts.map((h) => h.name));
    const count = this.hosts.length;
    await this.#watched(['controller', ...waiting], 'all hosts coming online', deadlineMs, signal, async () => {
      const online = await this.#online();
      for (const name of online ?? []) waiting.delete(name);
      if (count - waiting.size !== shown) {
        shown = count - waiting.size;
        onProgress?.(`hosts online: ${shown} of ${count}`);
      }
      return waiting.size === 0 ? true : undefined;
    });
  }

  /** Takes a host's cable out: no packet enters or leaves its underlay device. */
  async cut(host: string): Promise<void> {
    await this.#cable(host, 'down');
  }
  /** Plugs the cable in again. */
  async heal(host: string): Promise<void> {
    await this.#cable(host, 'up');
  }
  async #cable(host: string, state: 'up' | 'down'): Promise<void> {
    const plan = this.#hostPlan(host);
    await setCable(this.plan, this.plan.wire ? plan.netns : plan.bridgePort, state);
  }

  /** Removes every trace of the lab. */
  async down(): Promise<void> {
    await using _lock = await lockLab(this.name);
    await removeLab(this.name);
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.down();
  }
}

/** Hands the listening socket over to a new controller. */
async function startController(plan: LabPlan, listener: Server): Promise<void> {
  try {
    await startDaemon({ ...controllerDaemon(plan), listener });
  } finally {
    listener.close();
  }
}

/**
 * Makes a lab and resolves when its controller answers and all its hosts are online. On failure nothing is left.
 * @throws USAGE, NAME_TAKEN if anything of a lab of that name exists, LAB_BUSY, LAB_FAILED
 */
export async function createLab(options: CreateLab = {}): Promise<Lab> {
  const { onProgress, signal, apiPort: firstPort = 7470, deadlineMs, ...labOptions } = options;
  const plan = planLab(labOptions);
  const missing = plan.hosts.some((h) => h.engine) ? engineMissing() : undefined;
  if (missing) throw new HeddleError('LAB_FAILED', { problem: missing });
  await using _lock = await lockLab(plan.name);
  if (existsSync(plan.dir) || labNetns(plan.name).length > 0)
    throw new HeddleError('NAME_TAKEN', { kind: 'lab', name: plan.name });
  using stack = new DisposableStack();
  try {
    onProgress?.(`making ${plan.hosts.length} hosts and their underlay`);
    for (const host of plan.hosts) mkdirSync(host.engine?.plugins ?? host.dir, { recursive: true, mode: 0o755 });
    const { port, listener } = await listenAtFree(firstPort);
    stack.defer(() => void listener.close());
    const saved: Saved = { options: labOptions, apiPort: port };
    writeFileSync(`${plan.dir}/lab.json`, JSON.stringify(saved), { mode: 0o644 });
    mkdirSync(plan.bpfDir, { mode: 0o700 });
    await must(['mount', '-t', 'bpf', '-o', 'mode=0700', `heddle-lab-${plan.name}`, plan.bpfDir]);
    for (const host of plan.hosts) mkdirSync(`${plan.bpfDir}/${host.name}`, { mode: 0o700 });
    await makeUnderlay(plan);
    signal?.throwIfAborted();
    const lab = new Lab(saved);
    onProgress?.('starting the controller');
    await startController(plan, listener);
    await lab.ready('controller', deadlineMs, signal);
    if (!plan.wire) await makeJoinToken(lab);
    await giveAccess(lab.client(), plan.dir);
    onProgress?.('starting the agents');
    for (const host of lab.hosts) await lab.start(host.name);
    const engines = lab.hosts.flatMap((h) => h.engine ?? []);
    if (engines.length > 0) onProgress?.('starting the Docker engines');
    await Promise.all(engines.map((engine) => engine.start()));
    await lab.allOnline(deadlineMs ?? 20_000 + 200 * plan.hosts.length, signal, onProgress);
    if (engines.length > 0) await equipEngines(lab, engines, signal);
    return lab;
  } catch (e) {
    await removeLab(plan.name);
    throw e;
  }
}

/** How long hosts that are made anew may join. */
const joinSeconds = 30 * 86_400;

/** A lab is one machine's, so any of its hosts may join, and have all tenants. */
async function makeJoinToken(lab: Lab): Promise<void> {
  const { token } = await lab.client().createHostToken({ uses: 10_000, ttlSeconds: joinSeconds, tenants: ['*'] });
  writeFileSync(joinTokenFile(lab.plan), token, { mode: 0o600 });
}

/** Makes the tenants that the engines may touch, and gives every engine its image. */
async function equipEngines(lab: Lab, engines: readonly Engine[], signal?: AbortSignal): Promise<void> {
  const tenants = new Set(lab.plan.hosts.flatMap((h) => h.engine?.tenants ?? []));
  for (const name of tenants) await lab.client().create('tenant', { name });
  const archive = `${lab.plan.dir}/image.tar`;
  await writeImage(archive);
  await Promise.all(
    engines.map(async (engine) => {
      await engine.ready(30_000, signal);
      await importImage(engine, archive);
    }),
  );
  rmSync(archive);
}

/** The lab of that name, as `lab up` left it. @throws NOT_FOUND */
export function openLab(name: string): Lab {
  const saved = readSaved(labDir(name));
  if (!saved) throw new HeddleError('NOT_FOUND', { kind: 'lab', name });
  return new Lab(saved);
}
