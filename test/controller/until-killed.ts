import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

/** Runs a program of this folder that writes without end, and kills it a random while after its first line. @returns its whole lines */
export async function linesUntilKilled(program: string, args: readonly string[]): Promise<string[]> {
  const file = join(import.meta.dirname, program);
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => {
    if (text === '') setTimeout(() => child.kill('SIGKILL'), Math.random() * 30);
    text += chunk;
  });
  const [code, signal] = await once(child, 'close');
  assert.deepEqual([code, signal], [null, 'SIGKILL']);
  return text.split('\n').slice(0, -1);
}
