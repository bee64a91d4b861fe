/** Debian's keepalived in a workload: VRRP, as people run it. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Workload } from '../agent/workload.ts';

/** One address, with its length. */
export interface VirtualAddress {
  readonly router: number;
  readonly address: string;
}

/** Three times this and a bit, and the other one takes over; seconds. */
const advertS = 0.5;

const instance = (priority: number, { router, address }: VirtualAddress): string => `
vrrp_instance V${router} {
  state BACKUP
  interface eth0
  virtual_router_id ${router}
  priority ${priority}
  advert_int ${advertS}
  virtual_ipaddress {
    ${address} dev eth0
  }
}`;

/** A keepalived that runs; disposing ends it. */
export class Keepalived implements AsyncDisposable {
  readonly #dir = mkdtempSync(join(tmpdir(), 'heddle-vrrp-'));
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #log = '';

  constructor(workload: Workload, priority: number, addresses: readonly VirtualAddress[]) {
    const file = (name: string): string => join(this.#dir, name);
    const head = 'global_defs {\n  vrrp_version 3\n  vrrp_garp_master_delay 1\n}\n';
    writeFileSync(file('keepalived.conf'), head + addresses.map((a) => instance(priority, a)).join('\n'));
    const own = ['-f', file('keepalived.conf'), '-p', file('pid'), '-r', file('vrrp.pid')];
    const [program = '', ...argv] = workload.argv(['keepalived', '--vrrp', '-n', '-l', '-D', ...own]);
    this.#child = spawn(program, argv, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
    this.#ended = once(this.#child, 'exit');
    for (const stream of [this.#child.stdout!, this.#child.stderr!])
      stream.on('data', (text: Buffer) => {
        this.#log += text;
      });
  }

  /** What it said. */
  get log(): string {
    return this.#log;
  }

  /** Kills it and its children where they are: the address stays on the interface. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      process.kill(-this.#child.pid!, signal);
      await this.#ended;
    }
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
