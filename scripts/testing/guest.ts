/** Runs in the virtual machine: the test files named as arguments, one line with RESULT_MARK and a FileResult for each. */
import { execFileSync } from 'node:child_process';
import { runFiles } from './run-files.ts';

export const RESULT_MARK = '@heddle-test-result ';

if (import.meta.main) {
  const timeoutMs = Number(process.env.HEDDLE_FILE_TIMEOUT_MS);
  for await (const result of runFiles(process.argv.slice(2), { concurrency: 1, timeoutMs })) {
    const output = result.failures.length === 0 ? result.output : `${result.output}\n${kernelLog()}`;
    process.stdout.write(`${RESULT_MARK}${JSON.stringify({ ...result, output })}\n`);
  }
}

/** The end of what the guest's kernel said: a crash's address, a warning of the verifier's. */
function kernelLog(): string {
  const log = execFileSync('busybox', ['dmesg'], { encoding: 'utf8' });
  return `the end of the kernel's log:\n${log.split('\n').slice(-30).join('\n')}`;
}
