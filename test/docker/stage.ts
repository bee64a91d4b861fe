/** A plug-in with a real controller and an agent in memory, whose calls go over its socket; it can die and start again. */
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env } from 'node:process';
import { pino } from 'pino';
import { type Client, openClient } from '../../src/client/client.ts';
import { startController } from '../../src/controller/main.ts';
import { type DockerPlugin, openDockerPlugin } from '../../src/docker/plugin.ts';
import { HeddleError } from '../../src/model/errors.ts';
import { untilEqual } from '../until-equal.ts';
import { type Answer, callPlugin } from './call-plugin.ts';
import { type Held, MemoryWorkloads } from './memory-workloads.ts';
import { type Death, Mortal } from './mortal.ts';

export type { Answer } from './call-plugin.ts';

export class Stage implements AsyncDisposable {
  /** Without the plug-in's troubles. */
  readonly client: Client;
  readonly #stack: AsyncDisposableStack;
  readonly #dir: string;
  readonly #tenants: readonly string[];
  #lives = 0;
  #process = new Mortal();
  #plugin: DockerPlugin | undefined;
  /** Those that died; they are disposed of when nobody looks any more. */
  readonly #dead: { readonly process: Mortal; readonly plugin: DockerPlugin }[] = [];
  workloads: MemoryWorkloads;
  /** No controller answers. */
  offline = false;

  private constructor(stack: AsyncDisposableStack, dir: string, client: Client, tenants: readonly string[]) {
    this.#stack = stack;
    this.#dir = dir;
    this.#tenants = tenants;
    this.client = client;
    this.workloads = new MemoryWorkloads(this.#clientOf(new Mortal()));
  }

  /** Tenants acme and globex, each with a network "web" of 10.0.0.0/24 and fd00:1::/64, and acme's "four" of 10.4.0.0/24. */
  static async open(tenants: readonly string[] = ['acme', 'globex']): Promise<Stage> {
    await using stack = new AsyncDisposableStack();
    const dir = mkdtempSync(join(tmpdir(), 'heddle-docker-'));
    stack.defer(() => rmSync(dir, { recursive: true, force: true }));
    const log = pino({ level: 'silent' });
    const listen = [{ unix: join(dir, 'controller.sock') }];
    const controller = stack.use(await startController({ db: ':memory:', listen, log }));
    const client = openClient(controller.addresses[0]!);
    await client.create('host', { name: 'h1', vtep: '198.18.0.1' });
    for (const tenant of ['acme', 'globex', 'other']) {
      await client.create('tenant', { name: tenant });
      await client.create('network', { name: 'web' }, { tenant });
      await client.create('subnet', { name: 'web4', network: 'web', cidr: '10.0.0.0/24' }, { tenant });
      await client.create('subnet', { name: 'web6', network: 'web', cidr: 'fd00:1::/64' }, { tenant });
    }
    const tenant = 'acme';
    await client.create('network', { name: 'four' }, { tenant });
    await client.create('subnet', { name: 'four4', network: 'four', cidr: '10.4.0.0/24', gateway: null }, { tenant });
    const stage = new Stage(stack.move(), dir, client, tenants);
    await stage.start();
    return stage;
  }

  get socket(): string {
    return join(this.#dir, 'plugins', `${this.#lives}`, 'heddle.sock');
  }
  get stateDir(): string {
    return join(this.#dir, `state-${this.#lives}`);
  }
  get plugin(): DockerPlugin {
    return this.#plugin!;
  }
  get process(): Mortal {
    return this.#process;
  }

  /** Starts the plug-in; given, it dies at that step. */
  async start(death?: Death): Promise<void> {
    const process = new Mortal(death);
    this.#process = process;
    this.#plugin = await openDockerPlugin({
      workloads: this.workloads.open(process),
      client: this.#clientOf(process),
      thisHost: { name: 'h1', ref: 'h1' },
      stateDir: this.stateDir,
      socket: this.socket,
      tenants: this.#tenants,
      pool: '10.128.0.0/9',
      log: pino({ level: env.HEDDLE_TEST_LOG ?? 'silent' }),
    });
  }
  async stop(): Promise<void> {
    const plugin = this.#plugin;
    this.#plugin = undefined;
    if (this.#process.dead && plugin) {
      this.#dead.push({ process: this.#process, plugin });
      rmSync(this.socket); // a process that is dead does not answer there
    } else await plugin?.[Symbol.asyncDispose]();
  }
  /** Another process takes over, with what the one before has left behind. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }
  /** Another engine and agent, on the same controller. */
  async anew(death?: Death): Promise<void> {
    await this.stop();
    this.#lives++;
    this.workloads = new MemoryWorkloads(this.#clientOf(new Mortal()));
    await this.start(death);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    for (const { process, plugin } of this.#dead) {
      process.bury();
      await plugin[Symbol.asyncDispose]();
    }
    await this.#stack.disposeAsync();
  }

  /** The controller, as one process sees it. */
  #clientOf(process: Mortal): Client {
    const call = async (work: () => Promise<unknown>) => {
      if (this.offline) throw new HeddleError('CONTROLLER_UNREACHABLE', { address: 'unix:test', problem: 'test' });
      return process.step(work);
    };
    return new Proxy(this.client, {
      get(target, name, receiver) {
        const value = Reflect.get(target, name, receiver);
        return typeof value === 'function' ? (...args: unknown[]) => call(() => value.apply(target, args)) : value;
      },
    });
  }

  /** What Docker's plug-in client does; also the answer of an error. */
  async post(method: string, body?: unknown): Promise<{ status: number; body: Answer }> {
    return callPlugin(this.socket, method, body);
  }
  /** A call that must succeed. */
  async ok(method: string, body?: unknown): Promise<Answer> {
    const { status, body: answer } = await this.post(method, body);
    assert.equal(status, 200, JSON.stringify(answer));
    assert.equal(answer.Err ?? answer.Error, undefined, `${method} ${JSON.stringify(body)}`);
    return answer;
  }
  /** A call that must be refused with a code. @returns the text */
  async refused(code: string, method: string, body?: unknown): Promise<string> {
    const { body: answer } = await this.post(method, body);
    const text = method.startsWith('Ipam') ? answer.Error : (answer.Err ?? answer.Error);
    assert.match(text ?? '', new RegExp(`^${code}: `), `${method} ${JSON.stringify(answer)}`);
    return text;
  }

  /** All that the plug-in has anywhere: at the agent, at the controller, on disk. */
  async traces(): Promise<Held & { networks: string[]; files: string[] }> {
    const networks = [];
    for (const tenant of ['acme', 'globex', 'other'])
      for (const n of await this.client.list('network', { tenant })) networks.push(`${tenant} ${n.name}`);
    const root = join(this.stateDir, 'docker');
    const files = (existsSync(root) ? readdirSync(root, { recursive: true, encoding: 'utf8' }) : []).filter((f) =>
      f.endsWith('.json'),
    );
    return { ...this.workloads.held, networks: networks.sort(), files: files.sort() };
  }
  /** Resolves when nothing of the plug-in is left. */
  async nothingLeft(): Promise<void> {
    const empty = {
      ...{ users: [], addresses: [], ports: [], pairs: [], files: [] },
      networks: ['acme four', 'acme web', 'globex web', 'other web'],
    };
    await untilEqual<Answer>(empty, 20_000, () => this.traces());
  }
}
