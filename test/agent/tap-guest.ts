import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { must } from '../../src/lab/run.ts';
import type { Attached } from '../../src/model/local-api.ts';
import type { Rig } from './rig.ts';
import type { Workload } from './workload.ts';

/** A lab, and how it makes a guest’s namespace. */
type Machines = Pick<Rig, 'lab' | 'workload'>;

const wire = fileURLToPath(new URL('tap-wire.ts', import.meta.url));

/** What stands for a virtual machine: a namespace whose eth0 is joined to a tap by a process that has both open. */
export class TapGuest implements AsyncDisposable {
  readonly workload: Workload;
  readonly #rig: Machines;
  #wire: ChildProcess | undefined;

  private constructor(rig: Machines, workload: Workload) {
    this.#rig = rig;
    this.workload = workload;
  }

  /** Opens a host's tap, and gives the guest the port's MAC and addresses, but no router. */
  static async start(rig: Machines, host: string, made: Attached, queues = 1): Promise<TapGuest> {
    const { port, mtuBytes } = made;
    const guest = new TapGuest(rig, await rig.workload());
    await guest.#open(host, made, queues);
    const lines = [
      `link set dev eth0 address ${port.mac} mtu ${mtuBytes} up`,
      ...port.addresses.map((ip) => `address add ${ip}/${ip.includes(':') ? '64 nodad' : '24'} dev eth0`),
    ];
    await must(guest.workload.argv(['ip', '-batch', '-']), { input: `${lines.join('\n')}\n` });
    return guest;
  }

  /** Goes to another host's tap, with its device, its addresses and its connections, as a virtual machine that moves. */
  async moveTo(host: string, made: Attached): Promise<void> {
    await this.#cut();
    await this.#open(host, made, 1);
  }

  async #open(host: string, { ifname }: Attached, queues: number): Promise<void> {
    const argv = [wire, this.#rig.lab.host(host).netns, ifname, this.workload.path, 'eth0', String(queues)];
    const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...argv], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, UV_THREADPOOL_SIZE: '16' },
    });
    this.#wire = child;
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    const ended = once(child, 'close');
    const open = await Promise.race([once(child.stdout, 'data'), ended]);
    if (!String(open[0]).startsWith('open')) {
      await this[Symbol.asyncDispose]();
      throw new Error(`no tap opened: ${said}`);
    }
  }

  /** Resolves when its process has ended by itself. */
  async ended(): Promise<void> {
    if (this.#wire?.exitCode === null && this.#wire.signalCode === null) await once(this.#wire, 'close');
  }
  async #cut(): Promise<void> {
    const ended = this.ended();
    this.#wire?.kill('SIGKILL');
    await ended;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cut();
    await this.workload[Symbol.asyncDispose]();
  }
}
