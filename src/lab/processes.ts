/** Processes that outlive the command that started them, and how to be sure which one a pid means. */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import type { Server } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { HeddleError } from '../model/errors.ts';
import { netnsPath } from './plan.ts';

/** A process's start, in clock ticks since boot (proc(5), field 22): with it a recycled pid is recognised. */
function startTicks(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    // A leader that has ended while others of its threads have not: files and sockets are still open (field 20: threads).
    const ended = fields[0] === 'X' || (fields[0] === 'Z' && Number(fields[17]) <= 1);
    return ended ? undefined : fields[19];
  } catch {
    return undefined; // it is gone
  }
}

export interface DaemonSpec {
  readonly argv: readonly string[];
  /** Named network namespace to run in. */
  readonly netns: string;
  /** Receives standard output and error, appended. */
  readonly log: string;
  readonly pidFile: string;
  /** Added to this process's environment. */
  readonly env?: NodeJS.ProcessEnv;
  /** A listening socket that it gets as file descriptor 3. */
  readonly listener?: Server;
}

/** A listening server's file descriptor. Node passes it on to a child, but gives its number only on the inner handle. */
const descriptor = (server: Server): number => (server as unknown as { _handle: { fd: number } })._handle.fd;

/** Starts a program in a session of its own, and notes its pid and start. The pid is the program's: nsenter execs it. */
export async function startDaemon(spec: DaemonSpec): Promise<number> {
  const log = openSync(spec.log, 'a', 0o600);
  try {
    const child = spawn('nsenter', [`--net=${netnsPath(spec.netns)}`, '--', ...spec.argv], {
      cwd: '/',
      env: { ...process.env, ...spec.env },
      detached: true,
      stdio: ['ignore', log, log, ...(spec.listener ? [descriptor(spec.listener)] : [])],
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    child.once('spawn', resolve);
    child.once('error', (cause) => reject(new HeddleError('LAB_FAILED', { problem: 'cannot run nsenter' }, cause)));
    await promise;
    child.unref();
    writeFileSync(spec.pidFile, `${child.pid} ${startTicks(child.pid!) ?? '0'}\n`, { mode: 0o644 });
    return child.pid!;
  } finally {
    closeSync(log);
  }
}

/** The pid of a pid file if that very process still runs. */
export function runningPid(pidFile: string): number | undefined {
  let text: string;
  try {
    text = readFileSync(pidFile, 'utf8');
  } catch {
    return undefined; // never started
  }
  const [pid = '', ticks = ''] = text.trim().split(' ');
  return /^\d+$/.test(pid) && startTicks(Number(pid)) === ticks ? Number(pid) : undefined;
}

/** Processes whose network namespace is one of the given ones; this process is never among them. */
export function pidsInNetns(names: readonly string[]): number[] {
  const inodes = new Set(names.flatMap((n) => netnsInode(netnsPath(n)) ?? []));
  if (inodes.size === 0) return [];
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .map(Number)
    .filter((pid) => {
      try {
        return inodes.has(/\[(\d+)\]/.exec(readlinkSync(`/proc/${pid}/ns/net`))?.[1] ?? '');
      } catch {
        return false; // it ended meanwhile, or is a kernel thread or zombie
      }
    });
}

function netnsInode(path: string): string | undefined {
  try {
    return String(statSync(path).ino);
  } catch {
    return undefined;
  }
}

/** Sends a signal; a process that is gone already is fine. */
export function signalPid(pid: number, signal: NodeJS.Signals | number): void {
  try {
    process.kill(pid, signal);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ESRCH') throw e;
  }
}

/** Resolves when `probe` gives a value; the kernel has no event for what is asked here. @throws LAB_FAILED after the deadline */
export async function until<T>(
  what: string,
  deadlineMs: number,
  probe: () => Promise<T | undefined> | T | undefined,
  signal?: AbortSignal,
): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    signal?.throwIfAborted();
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > end)
      throw new HeddleError('LAB_FAILED', { problem: `${what} did not happen within ${deadlineMs / 1000} s` });
    await delay(15);
  }
}

/** Resolves when none of the processes runs any more. @throws LAB_FAILED */
export async function gone(pids: readonly number[], deadlineMs = 5000): Promise<void> {
  const started = new Map(pids.map((pid) => [pid, startTicks(pid)]));
  await until(`the end of process ${pids.join(', ')}`, deadlineMs, () =>
    [...started].every(([pid, ticks]) => ticks === undefined || startTicks(pid) !== ticks) ? true : undefined,
  );
}
