/**
 * The one test command. `npm test` runs every part (scripts/testing/parts.ts); `npm test -- unit lab` runs those parts, and
 * `npm test -- test/lab/basics.test.ts` those files. The last line is "N passed, N failed"; exit code 1 if any failed, 130 if
 * interrupted. After each part the machine is compared with what it was before.
 */
import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { chdir } from 'node:process';
import { leftSince, RUN_VARIABLE, survey } from './testing/leftovers.ts';
import { type Part, type PartName, parts, runShared } from './testing/parts.ts';
import { printFile, printSummary } from './testing/report.ts';
import { count, type FileResult } from './testing/result.ts';

chdir(resolve(import.meta.dirname, '..'));
const run = randomUUID();
process.env[RUN_VARIABLE] = run;
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => stop.abort());

const began = performance.now();
const results: FileResult[] = [];
for (const part of chosenParts(process.argv.slice(2))) {
  if (stop.signal.aborted) break;
  console.log(`\n${part.title}`);
  for await (const result of runPart(part)) {
    printFile(result);
    results.push(result);
  }
}
if (stop.signal.aborted) {
  console.log('\ninterrupted');
  process.exit(130);
}
printSummary(results, performance.now() - began);
process.exitCode = count(results).failed > 0 ? 1 : 0;

function chosenParts(args: readonly string[]): Part[] {
  const names = Object.keys(parts) as PartName[];
  if (args.length === 0) return names.map((name) => parts[name]);
  const files = args.filter((arg) => arg.endsWith('.test.ts'));
  const unknown = args.filter((arg) => !files.includes(arg) && !Object.hasOwn(parts, arg));
  if (unknown.length > 0) {
    console.error(`test: no part ${unknown.join(', ')}; the parts are ${names.join(', ')}, or name test files`);
    process.exit(2);
  }
  const chosen: Part[] = names.filter((name) => args.includes(name)).map((name) => parts[name]);
  if (files.length > 0)
    chosen.push({ title: 'chosen files', needsRoot: false, files: async () => files, run: runShared });
  return chosen;
}

async function* runPart(part: Part): AsyncGenerator<FileResult> {
  const files = await part.files();
  if (part.needsRoot && process.geteuid?.() !== 0) {
    for (const file of files)
      yield { file, passed: 0, failures: [], skipped: ['needs root'], notes: [], durationMs: 0, output: '' };
    return;
  }
  const before = await survey(run);
  yield* part.run(files, { signal: stop.signal });
  const began = performance.now();
  const left = await leftSince(before, run);
  const failures = left.length > 0 ? [{ name: `${left.length} things`, error: left.join('\n') }] : [];
  const passed = failures.length === 0 ? 1 : 0;
  yield {
    file: 'nothing is left behind',
    passed,
    failures,
    skipped: [],
    notes: [],
    durationMs: performance.now() - began,
    output: '',
  };
}
