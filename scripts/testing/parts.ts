/** The parts of `npm test`, in their order. */
import { availableParallelism } from 'node:os';
import { matchesGlob } from 'node:path';
import { runChecks } from './checks.ts';
import { splitExclusive, testFiles } from './files.ts';
import type { FileResult } from './result.ts';
import { runFiles } from './run-files.ts';
import { runInGuest } from './vm.ts';

/** Tests of the virtual machine itself. */
const onHost = 'test/kernels/*.test.ts';
/** What runs in the virtual machine: the packet tests, the verifier's, and one of everything together. */
const inGuest = ['test/datapath/**/*.test.ts', 'test/traffic/basic.test.ts'];
const fileTimeoutMs = 600_000;

export interface PartOptions {
  readonly signal: AbortSignal;
}
export interface Part {
  readonly title: string;
  /** Without root its files are counted as skipped. */
  readonly needsRoot: boolean;
  files(): Promise<string[]>;
  run(files: readonly string[], options: PartOptions): AsyncIterable<FileResult> | Iterable<FileResult>;
}

export const parts = {
  check: { title: 'static checks', needsRoot: false, files: async () => [], run: runChecks },
  unit: {
    title: 'unit tests',
    needsRoot: false,
    files: () => testFiles(['src/**/*.test.ts', 'bench/**/*.test.ts', 'scripts/**/*.test.ts']),
    run: runShared,
  },
  lab: {
    title: 'tests with network namespaces, daemons and eBPF',
    needsRoot: true,
    files: () => testFiles(['test/**/*.test.ts'], ['test/kernels/**']),
    run: runShared,
  },
  vm: {
    title: 'the datapath on Debian 12’s kernel, under QEMU',
    needsRoot: true,
    files: async () => [...(await testFiles([onHost])), ...(await testFiles(inGuest))],
    async *run(files, options) {
      const aboutIt = files.filter((file) => matchesGlob(file, onHost));
      yield* runFiles(aboutIt, { ...options, concurrency: 1, timeoutMs: fileTimeoutMs });
      const others = files.filter((file) => !aboutIt.includes(file));
      yield* runInGuest(others, { ...options, fileTimeoutMs });
    },
  },
} as const satisfies Record<string, Part>;
export type PartName = keyof typeof parts;

/** Files side by side as the machine allows, then those which must be alone. */
export async function* runShared(files: readonly string[], options: PartOptions): AsyncGenerator<FileResult> {
  const { shared, exclusive } = await splitExclusive(files);
  yield* runFiles(shared, { ...options, concurrency: Math.min(availableParallelism(), 4), timeoutMs: fileTimeoutMs });
  yield* runFiles(exclusive, { ...options, concurrency: 1, timeoutMs: fileTimeoutMs });
}
