/** Runs peer.ts inside namespaces and reads what it says. */
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { netnsPath } from '../../lab/plan.ts';
import { type Ran, run } from '../../lab/run.ts';
import { HeddleError } from '../../model/errors.ts';

/** What one stream carries, and how long one byte takes there and back. */
export interface Speed {
  readonly gbps: number;
  readonly rttUs: number;
}

/** The last CPU that this process may use. With both ends on one core a figure is the path's whole CPU cost. */
function lastCpu(): string {
  const list = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0';
  return list.split(/[,-]/).at(-1)!;
}

const argvOf = (netns: string, words: readonly string[]): string[] => [
  ...['nsenter', `--net=${netns}`, '--', 'taskset', '-c', lastCpu()],
  ...[process.execPath, '--disable-warning=ExperimentalWarning', fileURLToPath(new URL('./peer.ts', import.meta.url))],
  ...words,
];

/** Starts a responder; resolves when it listens. It ends with this process, or with the lab. @throws LAB_FAILED */
export async function startResponder(netns: string, identity: string): Promise<void> {
  const [file, ...args] = argvOf(netns, ['serve', identity]);
  const child = spawn(file!, args, { stdio: ['pipe', 'pipe', 'ignore'], detached: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const failed = (cause?: unknown) =>
    reject(new HeddleError('LAB_FAILED', { problem: `the responder ${identity} did not start` }, cause));
  child.stdout.once('data', () => resolve());
  child.once('error', failed).once('exit', () => failed());
  await promise;
  child.stdout.destroy();
  (child.stdin as Socket).unref();
  child.unref();
}

/** Who answers at an address, as seen from a namespace; undefined: nobody. @throws LAB_FAILED */
export async function whoAnswers(netns: string, address: string): Promise<string | undefined> {
  const { code, stdout } = await ask(netns, ['who', address]);
  return code === 0 ? stdout : undefined;
}

/** @throws LAB_FAILED */
export async function speedTo(netns: string, address: string, seconds: number): Promise<Speed> {
  const { code, stdout } = await ask(netns, ['speed', address, String(seconds)]);
  if (code !== 0) throw new HeddleError('LAB_FAILED', { problem: `nobody answers at ${address}` });
  return JSON.parse(stdout) as Speed;
}

async function ask(netns: string, words: readonly string[]): Promise<Ran> {
  const ran = await run(argvOf(netns, words));
  if (ran.code !== 0 && ran.code !== 3)
    throw new HeddleError('LAB_FAILED', { problem: `${words.join(' ')}: ${ran.stderr.trim()}` });
  return ran;
}

/** The path of a workload's namespace in the demo's lab. */
export const demoNetns = (name: string): string => netnsPath(`hd-demo-w-${name}`);
