/** The static checks; each counts as one test. */
import { spawnSync } from 'node:child_process';
import type { FileResult } from './result.ts';

const steps = {
  'types (tsc)': ['tsc'],
  'style (biome)': ['biome', 'check', '--error-on-warnings'],
  'layers (dependency-cruiser)': ['npm', 'run', '-s', 'check:layers'],
} as const;

/** Runs them one after the other. */
export function* runChecks(): Generator<FileResult> {
  for (const [file, [program, ...args]] of Object.entries(steps)) {
    const began = performance.now();
    const { status, stdout, stderr, error } = spawnSync(program, args, {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const failed = status !== 0;
    yield {
      file,
      passed: failed ? 0 : 1,
      failures: failed ? [{ name: file, error: error?.message ?? `${stdout}${stderr}` }] : [],
      skipped: [],
      notes: [],
      durationMs: performance.now() - began,
      output: '',
    };
  }
}
