/** A ping every 20 ms, and how long none was answered. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import type { Workload } from '../agent/workload.ts';

/** The longest time between two answers while `happening` goes on and until one has come after it, milliseconds. Each answer comes once. */
export async function longestGap(
  from: Workload,
  to: string,
  happening: () => Promise<unknown>,
): Promise<{ gapMs: number; twice: number }> {
  const [file = '', ...argv] = from.argv(['ping', '-n', '-D', '-i', '0.02', to]);
  const child = spawn(file, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    const answers: number[] = [];
    let twice = 0;
    let answered = Promise.withResolvers<void>();
    createInterface({ input: child.stdout }).on('line', (line) => {
      const at = /^\[([\d.]+)\] \d+ bytes from/.exec(line)?.[1];
      if (at === undefined) return;
      answers.push(Number(at) * 1_000);
      if (line.includes('DUP!')) twice++;
      answered.resolve();
    });
    await answered.promise;
    const first = answers.length - 1;
    await happening();
    answered = Promise.withResolvers<void>();
    await answered.promise;
    const during = answers.slice(first);
    const gaps = during.slice(1).map((at, i) => at - during[i]!);
    return { gapMs: Math.round(Math.max(...gaps)), twice };
  } finally {
    child.kill('SIGKILL');
    await once(child, 'close');
  }
}
