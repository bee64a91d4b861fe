/** ptrace(2): another process's threads stop before each system call by which an agent changes something or tells somebody. */
import { readdirSync } from 'node:fs';
import koffi from 'koffi';

const libc = koffi.load('libc.so.6');
const ptrace = libc.func('long ptrace(long, int, size_t, size_t)');
const ptraceInto = libc.func('ptrace', 'long', ['long', 'int', 'size_t', 'void *']);
const waitpid = libc.func('int waitpid(int, void *, int)');

// linux/ptrace.h
const PTRACE_SYSCALL = 24;
const PTRACE_SEIZE = 0x4206;
const PTRACE_INTERRUPT = 0x4207;
const PTRACE_LISTEN = 0x4208;
const PTRACE_GET_SYSCALL_INFO = 0x420e;
const PTRACE_SYSCALL_INFO_ENTRY = 1;
const PTRACE_O_TRACESYSGOOD = 1;
const PTRACE_O_TRACECLONE = 8;
const PTRACE_EVENT_STOP = 128;
const SIGTRAP = 5;
const WALL = 0x4000_0000;

/** Numbers of those calls (asm/unistd.h). */
const numbers: Record<string, Record<string, number>> = {
  x64: {
    ...{ write: 1, writev: 20, sendto: 44, bind: 49, listen: 50, fsync: 74 },
    ...{ rename: 82, rmdir: 84, unlink: 87, unlinkat: 263, bpf: 321 },
  },
  arm64: {
    ...{ write: 64, writev: 66, sendto: 206, bind: 200, listen: 201, fsync: 82 },
    ...{ renameat: 38, unlinkat: 35, bpf: 280 },
  },
};
const names = new Map(Object.entries(numbers[process.arch] ?? {}).map(([name, number]) => [number, name]));

/** A system call that is about to be made. */
export interface Call {
  readonly name: string;
  readonly args: readonly number[];
}

/**
 * The calls of a process's threads, until it ends; each is made when the next one is asked for. `onTraced` is called once none
 * is missed any more. When this process ends, the other one goes on alone.
 */
export function* callsOf(pid: number, onTraced: () => void): Generator<Call> {
  const untraced = seize(pid);
  const restarting = new Set<number>();
  for (let [thread, status] = wait(); thread > 0; [thread, status] = wait()) {
    if ((status & 0xff) !== 0x7f) {
      if (untraced.delete(thread) && untraced.size === 0) onTraced(); // it has ended
      continue;
    }
    const [signal, event] = [(status >> 8) & 0xff, status >> 16];
    if (signal === (SIGTRAP | 0x80)) {
      const { entered, restarts } = callAt(thread);
      if (entered && !restarting.has(thread)) yield entered;
      restarting.delete(thread);
      if (restarts) restarting.add(thread);
    }
    // One that is stopped by a signal stays so.
    if (event === PTRACE_EVENT_STOP && signal !== SIGTRAP) ptrace(PTRACE_LISTEN, thread, 0, 0);
    else ptrace(PTRACE_SYSCALL, thread, 0, event === 0 && (signal & 0x7f) !== SIGTRAP ? signal : 0);
    if (untraced.delete(thread) && untraced.size === 0) onTraced();
  }
}

/** Begins to trace all threads; those that they make come by themselves. */
function seize(pid: number): Set<number> {
  const threads = new Set<number>();
  const rest = () =>
    readdirSync(`/proc/${pid}/task`)
      .map(Number)
      .filter((thread) => !threads.has(thread));
  for (let found = rest(); found.length > 0; found = rest())
    for (const thread of found) {
      ptrace(PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE);
      if (ptrace(PTRACE_INTERRUPT, thread, 0, 0) !== 0) throw new Error(`ptrace: errno ${koffi.errno()}`);
      threads.add(thread);
    }
  return threads;
}

/** A thread that is traced, and how it has stopped or ended; [-1] when there is none left. */
function wait(): [number, number] {
  const status = new Int32Array(1);
  return [waitpid(-1, status, WALL), status[0]!];
}

/** What a thread is about to call, if that is one of those; or whether the kernel has it make the call anew that has just ended. */
function callAt(thread: number): { entered?: Call; restarts?: boolean } {
  const info = new BigInt64Array(11); // op; instruction and stack pointer; number, arguments, or result
  ptraceInto(PTRACE_GET_SYSCALL_INFO, thread, info.byteLength, info);
  const number = Number(info[3]);
  if (Number(info[0]! & 0xffn) !== PTRACE_SYSCALL_INFO_ENTRY) return { restarts: number <= -512 && number >= -516 };
  const name = names.get(number);
  return name === undefined ? {} : { entered: { name, args: [...info.subarray(4, 10)].map(Number) } };
}
