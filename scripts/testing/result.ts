/** What came of a test file, and of several. */
export interface Failure {
  /** Names from the outermost suite inwards, joined by " › ". */
  readonly name: string;
  /** The error, as it is to be shown. */
  readonly error: string;
}
export interface FileResult {
  /** Path from the project's directory, or the name of a step that is no test file. */
  readonly file: string;
  readonly passed: number;
  readonly failures: readonly Failure[];
  /** Names, with the reason where one is given. */
  readonly skipped: readonly string[];
  /** What its tests say about themselves, such as a seed. */
  readonly notes: readonly string[];
  readonly durationMs: number;
  /** What it wrote to stdout and stderr. */
  readonly output: string;
}
export interface Counts {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
}

/** Sums. */
export function count(results: readonly FileResult[]): Counts {
  return results.reduce(
    (sum, r) => ({
      passed: sum.passed + r.passed,
      failed: sum.failed + r.failures.length,
      skipped: sum.skipped + r.skipped.length,
    }),
    { passed: 0, failed: 0, skipped: 0 },
  );
}

/** "12 passed, 0 failed", and ", 1 skipped" if so: the form of the last line of `npm test`. */
export function countsText({ passed, failed, skipped }: Counts): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}
