/** Runs test files, a few at a time. */
import type { FileResult } from './result.ts';
import { type RunOptions, runFile } from './run-file.ts';

export interface PoolOptions extends RunOptions {
  /** How many files run at once. */
  readonly concurrency: number;
}

/** Results in the order in which the files end. After an abort no further file is started. */
export async function* runFiles(files: readonly string[], options: PoolOptions): AsyncGenerator<FileResult> {
  const waiting = [...files];
  const running = new Map<string, Promise<FileResult>>();
  for (;;) {
    while (running.size < options.concurrency && waiting.length > 0 && !options.signal?.aborted) {
      const file = waiting.shift()!;
      running.set(file, runFile(file, options));
    }
    if (running.size === 0) return;
    const result = await Promise.race(running.values());
    running.delete(result.file);
    yield result;
  }
}
