/** Runs one test file in a Node process of its own. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Outcome } from './reporter.ts';
import type { Failure, FileResult } from './result.ts';

const reporter = join(import.meta.dirname, 'reporter.ts');
const pipesMs = 1000;

export interface RunOptions {
  /** The file's process and all of its group are killed after this, and the file has failed. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
}

/** Its result; it does not throw for anything that the file does. */
export async function runFile(file: string, options: RunOptions): Promise<FileResult> {
  const began = performance.now();
  const dir = await mkdtemp(join(tmpdir(), 'heddle-test-'));
  try {
    const outcomesPath = join(dir, 'outcomes');
    const { output, ended } = await runNode(
      [
        '--disable-warning=ExperimentalWarning',
        `--test-reporter=${reporter}`,
        `--test-reporter-destination=${outcomesPath}`,
        file,
      ],
      options,
    );
    const outcomes = await readOutcomes(outcomesPath);
    const failures: Failure[] = outcomes.filter((o) => o.kind === 'failed').map(({ name, error }) => ({ name, error }));
    if (failures.length === 0) {
      if (ended !== 'exit code 0') failures.push({ name: 'the file as a whole', error: `its process ended: ${ended}` });
      else if (outcomes.length === 0) failures.push({ name: 'the file as a whole', error: 'it contains no test' });
    }
    return {
      file,
      passed: outcomes.filter((o) => o.kind === 'passed').length,
      failures,
      skipped: outcomes.filter((o) => o.kind === 'skipped').map((o) => o.name),
      notes: outcomes.filter((o) => o.kind === 'note').map((o) => o.text),
      durationMs: performance.now() - began,
      output,
    };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** The lines that are whole: a killed process may have left half of one. */
async function readOutcomes(path: string): Promise<Outcome[]> {
  const text = await readFile(path, 'utf8').catch((e: NodeJS.ErrnoException) => {
    if (e.code === 'ENOENT') return '';
    throw e;
  });
  return text
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Outcome);
}

async function runNode(args: string[], options: RunOptions): Promise<{ output: string; ended: string }> {
  const child = spawn(process.execPath, args, {
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const closed = new Promise((done) => child.on('close', done));
  const timeout = AbortSignal.timeout(options.timeoutMs);
  const stop = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout;
  const kill = () => killGroup(child.pid);
  stop.addEventListener('abort', kill);
  if (stop.aborted) kill();
  const ended = await new Promise<string>((done) => {
    child.on('error', (e) => done(e.message));
    child.on('exit', (code, signal) => done(code === null ? `killed by ${signal}` : `exit code ${code}`));
  });
  // What it wrote last may still be in the pipes; a process it left behind may hold them open for ever.
  await Promise.race([closed, delay(pipesMs, undefined, { ref: false })]);
  stop.removeEventListener('abort', kill);
  child.stdout.destroy();
  child.stderr.destroy();
  return { output, ended: timeout.aborted ? `killed after ${options.timeoutMs / 1000} s` : ended };
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ESRCH') throw e;
  }
}
