/** Command line: `node test/kernels/vm.ts [--timeout SECONDS] -- command…` runs it on Debian's kernel; see run-in-vm.ts. */
import { parseArgs } from 'node:util';
import { runInVm } from './run-in-vm.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { timeout: { type: 'string', default: '600' } },
});
if (positionals.length === 0) {
  console.error('usage: node test/kernels/vm.ts [--timeout SECONDS] -- command…');
  process.exit(2);
}
const stop = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
const { exitCode, output } = await runInVm({
  command: positionals,
  timeoutMs: Number(values.timeout) * 1000,
  signal: stop.signal,
});
process.stdout.write(output);
process.exitCode = exitCode;
