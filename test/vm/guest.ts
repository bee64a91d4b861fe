/**
 * A real guest under QEMU on a lab's host: Debian's kernel, virtio-net on a tap. QEMU interprets (TCG), so it needs no
 * /dev/kvm and computes 10 to 30 times slower than this machine; it boots in a few seconds.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { LabHost } from '../../src/lab/lab.ts';
import type { Ran } from '../../src/lab/run.ts';
import { GuestShell } from './guest-shell.ts';
import { type GuestImage, shellPort } from './image.ts';
import { Qmp } from './qmp.ts';

const bootMs = 120_000;

/** What a guest is made of. */
export interface GuestWanted {
  readonly image: GuestImage;
  /** In whose network namespace QEMU runs. */
  readonly host: LabHost;
  /** QEMU's arguments for its network devices. */
  readonly network: readonly string[];
  /** Default 1. */
  readonly cpus?: number;
  /** Does not boot: waits there for a guest that another QEMU moves here ("tcp:198.18.0.1:4444"). */
  readonly incoming?: string;
}

/** A guest that runs; disposing ends it, and it dies with this process, whatever kills that. */
export class Guest implements AsyncDisposable {
  readonly shell: GuestShell;
  readonly pid: number;
  readonly #dir: string;
  readonly #closed: Promise<unknown>;
  readonly #open = new DisposableStack();
  #qmp: Promise<Qmp> | undefined;

  private constructor(qemu: ChildProcess, dir: string) {
    this.#dir = dir;
    this.pid = qemu.pid ?? 0;
    this.#closed = once(qemu, 'close');
    let complaint = '';
    qemu.stderr!.setEncoding('utf8').on('data', (text: string) => {
      complaint += text;
    });
    this.shell = new GuestShell(qemu.stdout!, qemu.stdin!, () => `${complaint}${consoleTail(`${dir}/console`)}`);
  }

  /** Starts it; resolves when it takes commands, or when it waits for another QEMU's guest. */
  static async boot(wanted: GuestWanted): Promise<Guest> {
    const dir = await mkdtemp(join(tmpdir(), 'heddle-guest-'));
    const argv = ['setpriv', '--pdeathsig', 'KILL', 'qemu-system-x86_64', ...qemuArguments(wanted, dir)];
    const [file = '', ...args] = wanted.host.argv(argv);
    const guest = new Guest(spawn(file, args, { stdio: ['pipe', 'pipe', 'pipe'] }), dir);
    const timer = setTimeout(() => void guest.kill(), bootMs);
    try {
      await (wanted.incoming === undefined ? guest.shell.up() : guest.qmp());
      return guest;
    } catch (e) {
      await guest[Symbol.asyncDispose]();
      throw e;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Its QEMU's machine protocol. */
  qmp(): Promise<Qmp> {
    this.#qmp ??= Qmp.open(`${this.#dir}/qmp`).then((qmp) => this.#open.use(qmp));
    return this.#qmp;
  }
  exec(script: string, seconds?: number): Promise<Ran> {
    return this.shell.exec(script, seconds);
  }
  must(script: string, seconds?: number): Promise<string> {
    return this.shell.must(script, seconds);
  }
  /** Kill −9: the guest is gone as if its power had been cut. Resolves when the process has ended. */
  async kill(): Promise<void> {
    try {
      process.kill(this.pid, 'SIGKILL');
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'ESRCH') throw e;
    }
    await this.#closed;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    this.#open.dispose();
    await rm(this.#dir, { recursive: true, force: true });
  }
}

function qemuArguments({ image, network, cpus = 1, incoming }: GuestWanted, dir: string): string[] {
  return [
    ['-nodefaults', '-no-user-config', '-display', 'none'],
    // la57: five-level page tables only make the interpreter walk further.
    ['-accel', `tcg,thread=${cpus > 1 ? 'multi' : 'single'}`, '-cpu', 'max,la57=off', '-smp', `${cpus}`, '-m', '256'],
    ['-kernel', image.kernel, '-initrd', image.initramfs],
    ['-append', 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on'],
    ['-serial', `file:${dir}/console`],
    ['-qmp', `unix:${dir}/qmp,server=on,wait=off`],
    incoming === undefined ? [] : ['-incoming', incoming],
    ['-chardev', 'stdio,id=shell,signal=off', '-device', 'virtio-serial-pci'],
    ['-device', `virtserialport,chardev=shell,name=${shellPort}`],
    // No boot from the network: looking for it takes seconds.
    ['-global', 'virtio-net-pci.romfile='],
    network,
  ].flat();
}

const consoleTail = (path: string): string =>
  existsSync(path) ? readFileSync(path, 'utf8').split('\n').slice(-40).join('\n') : '(nothing)';
