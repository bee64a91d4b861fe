/**
 * A process that stops another one before its steps: `tracer.ts <pid>` says on a line of standard output that it traces,
 * then on one each what step comes; the step is taken after a line on standard input, unless that is "kill".
 */
import { readSync, writeSync } from 'node:fs';
import { callsOf } from './ptrace.ts';
import { kindOf } from './step-kinds.ts';

const pid = Number(process.argv[2]);
const word = Buffer.alloc(8);
for (const call of callsOf(pid, () => writeSync(1, 'tracing\n'))) {
  const kind = kindOf(pid, call);
  if (kind === undefined) continue;
  writeSync(1, `${kind}\n`);
  const bytes = readSync(0, word);
  if (bytes === 0) break; // nobody is there any more
  if (word.toString('latin1', 0, bytes) !== 'kill\n') continue;
  process.kill(pid, 'SIGKILL');
  break;
}
