/** Bulk TCP between stations, every byte compared. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline/promises';
import { fileURLToPath } from 'node:url';
import { patience, type Stage, type Station } from './stage.ts';

const program = [
  process.execPath,
  '--disable-warning=ExperimentalWarning',
  fileURLToPath(new URL('stream-end.ts', import.meta.url)),
];

/** Sends so many bytes to an address of `to`; fails unless they arrive, all and unchanged. Gives the seconds it took. */
export async function transfer(stage: Stage, from: Station, to: Station, ip: string, bytes: number): Promise<number> {
  const seed = randomBytes(8).toString('hex');
  const signal = AbortSignal.timeout(120_000 * patience);
  const sink = spawn('nsenter', [`--net=${to.netns}`, '--', ...program, 'receive', seed, `${bytes}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
    signal,
    killSignal: 'SIGKILL',
  });
  const lines = createInterface({ input: sink.stdout })[Symbol.asyncIterator]();
  try {
    const { value: port } = await lines.next();
    const began = performance.now();
    const { code, stderr } = await stage.lab.execIn(
      from.workload,
      [...program, 'send', seed, `${bytes}`, ip, `${port}`],
      { signal },
    );
    assert.equal(code, 0, stderr);
    const { value: verdict } = await lines.next();
    assert.equal(verdict, 'whole', `from ${from.workload} to ${ip}`);
    return (performance.now() - began) / 1000;
  } finally {
    sink.kill('SIGKILL');
  }
}
