/** A ping that begins before there is anybody to answer it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { HeddleError } from '../src/model/errors.ts';

const reachProgram = fileURLToPath(new URL('../build/bench/reach', import.meta.url));

/** The workload that pings. */
export interface Prober {
  /** Network namespace, as a path. */
  readonly netns: string;
  readonly ifname: string;
  readonly address: string;
}

/** A running pinger; disposing ends it. */
interface Ping extends Disposable {
  /** When the first reply came, on the clock of `process.hrtime`. */
  readonly answered: Promise<bigint>;
}

/** Starts pinging, and resolves when the first packet is about to be sent. */
export async function startPing({ netns, ifname, address }: Prober, to: string): Promise<Ping> {
  const args = [`--net=${netns}`, '--', reachProgram, ifname, address, to, '10'];
  const child = spawn('nsenter', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async (): Promise<string> => {
    const next = await lines.next();
    if (next.done) throw new HeddleError('INTERNAL', { problem: `${to} answered no ping within 10 s` });
    return next.value;
  };
  await Promise.race([line(), once(child, 'error').then(([cause]) => Promise.reject(cause))]);
  const answered = line().then(BigInt);
  answered.catch(() => undefined); // whoever awaits it hears of it; nobody does if the attach fails before
  return { answered, [Symbol.dispose]: () => void child.kill('SIGKILL') };
}
