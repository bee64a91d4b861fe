/** Which cores there are, and keeping all but the measurements off one of them. */
import { readFileSync } from 'node:fs';
import { must } from '../src/lab/run.ts';
import { HeddleError } from '../src/model/errors.ts';

/** Reads a list of cores as the kernel writes it: "0-2,5" is 0, 1, 2, 5. */
export function parseCores(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last! - first! + 1 }, (_, i) => first! + i);
  });
}

/** The cores that this process may use, ascending. */
export function allowedCores(): number[] {
  const line = /^Cpus_allowed_list:\s*(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'));
  return parseCores(line?.[1] ?? '0');
}

/**
 * Reserves a core for the measurements: this process, and with it every engine, controller and agent that it starts from
 * now on, runs on the others. With one core there is nothing to reserve.
 * @param wanted default: the last allowed core, the least likely to serve interrupts
 * @returns the core
 * @throws USAGE if this process may not use it
 */
export async function reserveCore(wanted?: number): Promise<number> {
  const allowed = allowedCores();
  const core = wanted ?? allowed.at(-1)!;
  if (!allowed.includes(core))
    throw new HeddleError('USAGE', {
      problem: `core ${core} is none of those that can be used: ${allowed.join(', ')}`,
    });
  const others = allowed.filter((c) => c !== core);
  if (others.length > 0)
    await must(['taskset', '--all-tasks', '--cpu-list', '--pid', others.join(','), String(process.pid)]);
  return core;
}
