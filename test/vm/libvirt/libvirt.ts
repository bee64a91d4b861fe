/** A real libvirtd on a lab's host, with a file system of its own around it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import type { LabHost } from '../../../src/lab/lab.ts';
import { tail } from '../../../src/lab/log-tail.ts';
import { until } from '../../../src/lab/processes.ts';
import { type Ran, run } from '../../../src/lab/run.ts';
import { project } from '../../cli/heddle.ts';

/** Disposing ends libvirtd; its guests end with the lab's host. */
export class Libvirt implements AsyncDisposable {
  /** A folder that libvirtd and its guests see too. */
  readonly dir: string;
  /** Holds the mount namespace. */
  readonly #root: ChildProcess;
  #daemon: ChildProcess | undefined;

  private constructor(dir: string, root: ChildProcess) {
    this.dir = dir;
    this.#root = root;
  }

  /** Resolves when libvirtd runs; it asks QEMU for its abilities later, which takes seconds. */
  static async start(host: LabHost): Promise<Libvirt> {
    const dir = await mkdtemp(join(tmpdir(), 'heddle-libvirt-'));
    const argv = ['unshare', '--mount', '--propagation', 'private', 'sh', join(import.meta.dirname, 'root.sh')];
    const [file = '', ...args] = host.argv([...argv, `${dir}/root`, dirname(host.agentSocket)]);
    const root = spawn(file, args, { cwd: project, stdio: ['pipe', 'pipe', 'inherit'] });
    const libvirt = new Libvirt(dir, root);
    const { value } = await createInterface({ input: root.stdout })[Symbol.asyncIterator]().next();
    if (value !== 'ready') throw new Error('no file system for libvirtd');
    await libvirt.run();
    return libvirt;
  }

  /** Its address for clients elsewhere on this machine. */
  get uri(): string {
    return `qemu+unix:///system?socket=/proc/${this.#root.pid}/root/run/libvirt/libvirt-sock`;
  }
  get log(): string {
    return `${this.dir}/libvirtd.log`;
  }
  #inside = (argv: readonly string[]): string[] => ['nsenter', '-t', `${this.#root.pid}`, '-m', '-n', '--', ...argv];
  /** Runs a program where libvirtd runs. */
  exec(...argv: string[]): Promise<Ran> {
    return run(this.#inside(argv));
  }
  virsh(...words: string[]): Promise<Ran> {
    return this.exec('virsh', '--quiet', '--connect', 'qemu:///system', ...words);
  }
  /** A command of virsh that must succeed; its standard output. */
  async must(...words: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.virsh(...words);
    if (code !== 0) throw new Error(`virsh ${words.join(' ')}: ${stdout}${stderr}\n${tail(this.log)}`);
    return stdout.trim();
  }

  /** Starts libvirtd, which must not run. */
  async run(): Promise<void> {
    const log = openSync(this.log, 'a');
    const [file = '', ...args] = this.#inside(['setpriv', '--pdeathsig', 'KILL', 'libvirtd']);
    const daemon = spawn(file, args, { stdio: ['ignore', log, log] });
    closeSync(log);
    this.#daemon = daemon;
    await until(`libvirtd's socket`, 10_000, async () => {
      if (daemon.exitCode !== null) throw new Error(`libvirtd ended: ${tail(this.log)}`);
      return (await this.virsh('uri')).code === 0 || undefined;
    });
  }
  /** Kill −9; its guests go on. */
  async kill(): Promise<void> {
    const daemon = this.#daemon;
    if (!daemon || daemon.exitCode !== null || daemon.signalCode !== null) return;
    const ended = once(daemon, 'exit');
    daemon.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const guest of (await this.virsh('list', '--name')).stdout.split('\n').filter(Boolean))
      await this.virsh('destroy', guest);
    await this.kill();
    this.#root.stdin?.end();
    if (existsSync(this.dir)) await rm(this.dir, { recursive: true });
  }
}
