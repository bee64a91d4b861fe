/** The `heddle` command: reads the command line, runs one command, ends with its exit code. */
import { reportError } from './exit.ts';
import { processIo } from './io.ts';
import { buildProgram } from './program.ts';

const io = processIo();
const argv = process.argv.slice(2);
try {
  await buildProgram(io).parseAsync(argv, { from: 'user' });
} catch (e) {
  const end = argv.indexOf('--');
  process.exitCode = reportError(io, e, argv.slice(0, end < 0 ? undefined : end).includes('--json'));
}
