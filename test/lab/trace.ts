/** What labs of one name leave on this machine. */

import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';

/** A lab name that no other test uses. */
export const labName = (): string => `t${randomBytes(5).toString('hex')}`;

/** Everything on this machine whose name, path, command line or mount has the lab's name in it. */
export function traces(lab: string): string[] {
  const named = (dir: string) =>
    entries(dir)
      .filter((e) => e.includes(lab))
      .map((e) => `${dir}/${e}`);
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(lab));
  const processes = entries('/proc')
    .filter((pid) => /^\d+$/.test(pid) && Number(pid) !== process.pid)
    .filter((pid) => commandLine(pid).includes(`/lab/${lab}/`))
    .map((pid) => `process ${pid}: ${commandLine(pid)}`);
  const groups = ['/sys/fs/cgroup', ...entries('/sys/fs/cgroup').map((controller) => `/sys/fs/cgroup/${controller}`)];
  return [
    ...groups.flatMap(named),
    ...named('/run/netns'),
    ...named('/run/heddle/lab'),
    ...named('/sys/class/net'),
    ...mounts,
    ...processes,
  ];
}

function entries(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT' || (e as NodeJS.ErrnoException).code === 'ENOTDIR') return [];
    throw e;
  }
}

function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
  } catch {
    return ''; // it ended meanwhile
  }
}
