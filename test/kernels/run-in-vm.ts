/**
 * Runs a command as root on another kernel: in a virtual machine whose root file system is this machine's, read-only, with
 * a tmpfs on top, so that everything installed here is there and nothing done there is seen here.
 * QEMU interprets (TCG): 10 to 30 times slower than this machine, and needs no /dev/kvm.
 */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { writeInitramfs } from './initramfs.ts';
import { ensureKernel, type Kernel } from './kernel.ts';

const project = resolve(import.meta.dirname, '../..');

/** What to run, and for how long. */
export interface VmJob {
  /** Program and arguments; run in `cwd` with stdin empty. */
  readonly command: readonly string[];
  /** Default: the project's directory. */
  readonly cwd?: string;
  /** Added to a small fixed environment, in which the project's own Node comes first in PATH. */
  readonly env?: Readonly<Record<string, string>>;
  /** The machine is destroyed after this, boot included. */
  readonly timeoutMs: number;
  /** Called with output (stdout and stderr of the command, mixed) as it comes. */
  readonly onOutput?: (text: string) => void;
  readonly signal?: AbortSignal;
  readonly memoryMiB?: number;
}

/** How a command in the virtual machine ended. */
export interface VmResult {
  readonly kernel: string;
  readonly exitCode: number;
  readonly output: string;
}

/** Boots, runs, powers off. Throws, with the end of the guest's console, when the command did not come to its end. */
export async function runInVm(job: VmJob): Promise<VmResult> {
  const kernel = await ensureKernel(join(project, '.cache/kernels'));
  const dir = await mkdtemp(join(tmpdir(), 'heddle-vm-'));
  try {
    const endMark = `heddle-vm-end-${randomUUID()}`;
    const initramfs = await writeInitramfs(dir, kernel, {
      command: `cd ${quote(job.cwd ?? project)} && exec ${job.command.map(quote).join(' ')}\n`,
      environment: environment(kernel, endMark, job.env ?? {}),
    });
    const console = join(dir, 'console');
    const { output, ended } = await runQemu(qemuArguments(kernel, initramfs, console, job.memoryMiB ?? 3072), job);
    const end = new RegExp(`\\r?\\n${endMark} (\\d+)\\r?\\n`).exec(output);
    if (end === null) {
      const tail = (await readFile(console, 'utf8')).split('\n').slice(-40).join('\n');
      throw new Error(`the virtual machine ${ended} before its command did.\n${output}\nIts console:\n${tail}`);
    }
    return { kernel: kernel.release, exitCode: Number(end[1]), output: output.slice(0, end.index) };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

function qemuArguments(kernel: Kernel, initramfs: string, console: string, memoryMiB: number): string[] {
  return [
    ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot'],
    // la57: five-level page tables only make the interpreter walk further.
    ['-accel', 'tcg,thread=single,tb-size=512', '-cpu', 'max,la57=off', '-smp', '1', '-m', `${memoryMiB}`],
    ['-kernel', kernel.image, '-initrd', initramfs],
    ['-append', 'console=ttyS0 quiet panic=-1 mitigations=off nokaslr random.trust_cpu=on'],
    ['-serial', `file:${console}`],
    ['-virtfs', 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'],
    ['-chardev', 'stdio,id=result,signal=off', '-device', 'virtio-serial-pci'],
    ['-device', 'virtserialport,chardev=result,name=result'],
  ].flat();
}

function environment(kernel: Kernel, endMark: string, extra: Readonly<Record<string, string>>): string {
  const variables = {
    PATH: `${project}/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin`,
    HOME: '/root',
    LANG: 'C.UTF-8',
    KERNEL_MODULES: kernel.modules,
    END_MARK: endMark,
    HEDDLE_TEST_VM: kernel.release,
    ...extra,
  };
  return Object.entries(variables)
    .map(([name, value]) => `export ${name}=${quote(value)}\n`)
    .join('');
}

const quote = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** Its whole output, and in words how QEMU ended. It dies with this process, whatever kills that. */
async function runQemu(args: readonly string[], job: VmJob): Promise<{ output: string; ended: string }> {
  const timeout = AbortSignal.timeout(job.timeoutMs);
  const qemu = spawn('setpriv', ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...args], {
    // Its stdin stays open: at the end of it QEMU's stdio device goes deaf, and the guest's writes hang.
    stdio: ['pipe', 'pipe', 'pipe'],
    signal: job.signal ? AbortSignal.any([job.signal, timeout]) : timeout,
    killSignal: 'SIGKILL',
  });
  let output = '';
  let complaint = '';
  qemu.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
    job.onOutput?.(text);
  });
  qemu.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint += text;
  });
  let failure: Error | undefined;
  qemu.on('error', (e) => {
    failure = e;
  });
  const code = await new Promise((done) => qemu.on('close', done));
  if (timeout.aborted) return { output, ended: `was stopped after ${job.timeoutMs / 1000} s,` };
  if (job.signal?.aborted) return { output, ended: 'was stopped' };
  return { output, ended: `ended (${failure?.message ?? `exit code ${code}`}; ${complaint.trim()})` };
}
