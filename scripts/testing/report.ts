/** Prints results for people. */
import { count, countsText, type FileResult } from './result.ts';

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
/** Indented; a line of a packet's bytes is cut, so that the next line is still found. */
const indent = (text: string): string => text.trimEnd().replaceAll(/^.*$/gm, (line) => `      ${cut(line)}`);
const cut = (line: string): string => (line.length > 400 ? `${line.slice(0, 400)}… (${line.length} characters)` : line);

/** A line for the file; its failures and, if there are any, its output in full. */
export function printFile(result: FileResult): void {
  const ok = result.failures.length === 0;
  console.log(
    `  ${ok ? 'ok  ' : 'FAIL'} ${result.file}: ${countsText(count([result]))} (${seconds(result.durationMs)})`,
  );
  for (const name of result.skipped) console.log(`    skipped: ${name}`);
  for (const note of result.notes) console.log(`    ${note}`);
  for (const { name, error } of result.failures) console.log(`    FAIL ${name}\n${indent(error)}`);
  if (!ok && result.output.trim()) console.log(`    what ${result.file} wrote:\n${indent(result.output)}`);
}

/** The end: what failed and what was skipped, by name, and the counts as the last line. */
export function printSummary(results: readonly FileResult[], durationMs: number): void {
  console.log(`\nall of it took ${seconds(durationMs)}`);
  for (const { file, skipped } of results) for (const name of skipped) console.log(`skipped: ${file}: ${name}`);
  for (const { file, failures } of results) for (const { name } of failures) console.log(`FAILED: ${file}: ${name}`);
  console.log(countsText(count(results)));
}
