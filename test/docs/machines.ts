/**
 * Machines for pages about real ones: namespaces of every kind, a copy of this machine's file system that nobody else sees, and
 * Debian's systemd as the first process; joined by a switch.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { removeControlGroups } from '../../src/lab/control-groups.ts';
import { until } from '../../src/lab/processes.ts';
import { must, type Ran, run } from '../../src/lab/run.ts';

const script = join(import.meta.dirname, 'machine.sh');
const bootMs = 30_000;
/** As a login shell of root has it. */
const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Programs, by the folder that a machine has them in: layers of overlayfs, the uppermost first. */
export type Programs = Readonly<Record<string, readonly string[]>>;

export class Machine {
  readonly name: string;
  readonly #first: number;
  readonly #process: ChildProcess;

  constructor(name: string, first: number, process: ChildProcess) {
    this.name = name;
    this.#first = first;
    this.#process = process;
  }

  /** Runs a script there, as root. */
  run(script: string): Promise<Ran> {
    const there = [
      'nsenter',
      `--target=${this.#first}`,
      ...['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup'],
    ];
    return run([...there, '--wdns=/root', 'sh', '-euxc', script], {
      env: { PATH: path, HOME: '/root', LANG: 'C.UTF-8' },
    });
  }

  /** All that runs there ends at once. */
  async off(): Promise<void> {
    const { exitCode, signalCode } = this.#process;
    // One that has ended has its number no more.
    if ((exitCode ?? signalCode) !== null) return;
    const ended = once(this.#process, 'exit');
    process.kill(this.#first, 'SIGKILL');
    await ended;
  }
}

/** Machines with systemd, the first at 192.0.2.1; none of the network's but these answers. */
export async function openMachines(names: readonly string[], programs: Programs) {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-machines-'));
  const lab = `hd${basename(dir).slice(-6).toLowerCase()}`;
  await using stack = new AsyncDisposableStack();
  stack.defer(() => rmSync(dir, { recursive: true }));
  await must(['ip', 'netns', 'add', lab]);
  stack.defer(async () => void (await must(['ip', 'netns', 'del', lab])));
  const onSwitch = ['ip', '-n', lab];
  await must([...onSwitch, 'link', 'add', 'switch', 'up', 'type', 'bridge']);
  const machines: Machine[] = [];
  for (const [i, name] of names.entries()) {
    const machine = await start(name, { folder: join(dir, name), group: `${lab}${name}`, programs, stack });
    machines.push(machine.machine);
    const nic = ['link', 'add', name, 'up', 'master', 'switch', 'type', 'veth', 'peer', 'name', 'eth0', 'netns'];
    await must([...onSwitch, ...nic, `${machine.first}`]);
    const up = `ip link set lo up; ip addr add 192.0.2.${i + 1}/24 dev eth0; ip link set eth0 up; ip route add default via 192.0.2.254`;
    await must(['nsenter', `--target=${machine.first}`, '--net', 'sh', '-ec', up]);
  }
  const held = stack.move();
  return { machines, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

interface Where {
  readonly folder: string;
  readonly group: string;
  readonly programs: Programs;
  readonly stack: AsyncDisposableStack;
}

async function start(
  name: string,
  { folder, group, programs, stack }: Where,
): Promise<{ machine: Machine; first: number }> {
  const [, groups] = readFileSync('/proc/self/mounts', 'utf8').match(/^\S+ (\S+) cgroup2 /m) ?? [];
  if (groups === undefined) throw new Error('this machine has no control groups of version 2');
  mkdirSync(folder);
  mkdirSync(join(groups, group));
  stack.defer(() => removeControlGroups((found) => found === group));
  const words = Object.entries(programs).flatMap(([at, layers]) => [at, layers.join(':')]);
  const enter = `echo $$ >${groups}/${group}/cgroup.procs; exec "$@"`;
  const own = ['--net', '--mount', '--pid', '--uts', '--ipc', '--cgroup', '--fork', '--kill-child'];
  const child = spawn('sh', ['-ec', enter, 'sh', 'unshare', ...own, 'sh', script, name, folder, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  const { value } = await createInterface(child.stdout)[Symbol.asyncIterator]().next();
  if (value === undefined) throw new Error(`${name} does not boot: ${said}`);
  const first = Number(value);
  const machine = new Machine(name, first, child);
  stack.defer(() => machine.off());
  await until(`${name} having booted`, bootMs, async () =>
    (await machine.run('systemctl is-system-running')).stdout === 'running\n' ? true : undefined,
  );
  return { machine, first };
}

/** A layer with these files of a program. */
export function layer(folder: string, files: Readonly<Record<string, string>>): string {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(join(folder, file, '..'), { recursive: true });
    writeFileSync(join(folder, file), text);
  }
  return folder;
}
