import { spawn } from 'node:child_process';
import { HeddleError } from '../model/errors.ts';

/** How a program ended and what it wrote. */
export interface Ran {
  /** Exit code; 128 + the signal's number if one ended it. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}
export interface RunOptions {
  /** Text for its standard input; default: none. */
  readonly input?: string;
  readonly env?: NodeJS.ProcessEnv;
  /** Ends it with SIGKILL. */
  readonly signal?: AbortSignal;
}

/** Runs a program without a shell and collects what it writes. A failing exit code is a result, not an error. */
export function run(argv: readonly string[], options: RunOptions = {}): Promise<Ran> {
  const [file = '', ...args] = argv;
  const { promise, resolve, reject } = Promise.withResolvers<Ran>();
  const child = spawn(file, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: options.env ?? process.env,
    killSignal: 'SIGKILL',
    // A Ctrl-C is for us: what we run to clean up must not die of a second one.
    detached: true,
    ...(options.signal && { signal: options.signal }),
  });
  const texts = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (text: string) => {
      texts[stream] += text;
    });
  // A program that ends without reading its input closes the pipe; that is its right.
  child.stdin.on('error', () => undefined).end(options.input ?? '');
  child.on('error', (cause) => reject(new HeddleError('LAB_FAILED', { problem: `cannot run ${file}` }, cause)));
  child.on('close', (code, signal) => resolve({ code: code ?? (signal ? 128 + 9 : 1), ...texts }));
  return promise;
}

/** Runs a program that must succeed; its standard output. @throws LAB_FAILED with what it said */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const { code, stdout, stderr } = await run(argv, options);
  if (code !== 0)
    throw new HeddleError('LAB_FAILED', { problem: `${argv.join(' ')}: ${stderr.trim() || `exit code ${code}`}` });
  return stdout;
}

/** Runs many commands of `ip` in one process, in a namespace or in this one; the first failure ends it. @throws LAB_FAILED */
export async function ipBatch(commands: readonly string[], netns?: string): Promise<void> {
  if (commands.length === 0) return;
  await must(['ip', ...(netns ? ['-n', netns] : []), '-batch', '-'], { input: `${commands.join('\n')}\n` });
}
