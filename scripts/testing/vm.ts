/** Runs test files in the virtual machine with Debian's kernel, as `node scripts/testing/guest.ts`, and brings their results back. */
import { runInVm } from '../../test/kernels/run-in-vm.ts';
import { RESULT_MARK } from './guest.ts';
import type { FileResult } from './result.ts';

export interface GuestOptions {
  readonly fileTimeoutMs: number;
  readonly signal: AbortSignal;
}
const bootMs = 60_000;
/** All files together; a file may use what the others leave of it. */
const allFilesMs = 1_500_000;
/** The interpreter is slow: fewer packets here, never under 10,000; the same test runs them all outside. */
const guestEnvironment = { HEDDLE_FUZZ_PACKETS: '10000' };

/** Results in the order in which the files end in the guest; if the machine dies, a failure in place of the missing ones. */
export async function* runInGuest(files: readonly string[], options: GuestOptions): AsyncGenerator<FileResult> {
  const began = performance.now();
  const results: FileResult[] = [];
  let wake = Promise.withResolvers<void>();
  let rest = '';
  const vm = runInVm({
    command: ['node', '--disable-warning=ExperimentalWarning', 'scripts/testing/guest.ts', ...files],
    env: { ...guestEnvironment, HEDDLE_FILE_TIMEOUT_MS: `${options.fileTimeoutMs}` },
    timeoutMs: bootMs + allFilesMs,
    signal: options.signal,
    onOutput: (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) if (line.startsWith(RESULT_MARK)) results.push(parse(line));
      wake.resolve();
    },
  }).then(
    ({ exitCode, kernel, output }) => ({
      kernel,
      problem: exitCode === 0 ? undefined : `exit code ${exitCode}\n${output}`,
    }),
    (e: Error) => ({ kernel: 'Debian’s kernel', problem: e.message }),
  );
  let ended = false;
  void vm.then(() => {
    ended = true;
    wake.resolve();
  });
  let seen = 0;
  while (!ended || results.length > 0) {
    for (const result of results.splice(0)) {
      seen += 1;
      yield result;
    }
    if (ended) break;
    await wake.promise;
    wake = Promise.withResolvers();
  }
  const { kernel, problem } = await vm;
  if (seen < files.length) {
    const error = problem ?? `${files.length - seen} of ${files.length} files gave no result`;
    const failures = [{ name: `tests on ${kernel}`, error }];
    yield {
      file: 'the virtual machine',
      passed: 0,
      failures,
      skipped: [],
      notes: [],
      durationMs: performance.now() - began,
      output: '',
    };
  }
}

const parse = (line: string): FileResult => {
  const result: FileResult = JSON.parse(line.slice(RESULT_MARK.length));
  return { ...result, file: `vm: ${result.file}` };
};
