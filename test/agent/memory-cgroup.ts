/** A memory control group in which the kernel kills whoever asks for a page. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';

/** Names of files in both versions (Documentation/admin-guide/cgroup-v1/memory.rst, cgroup-v2.rst). */
const versions = [
  { type: 'cgroup', limit: 'memory.limit_in_bytes', events: 'memory.oom_control' },
  { type: 'cgroup2', limit: 'memory.max', events: 'memory.events' },
] as const;

/** A group without room; disposing removes it. */
export interface MemoryCgroup extends Disposable {
  /** Moves a process into it, with all its threads. What it has stays where it is accounted; each page more kills it. */
  take(pid: number): void;
  /** How often the kernel has killed here. */
  readonly kills: number;
}

/** Makes a group of that name under the root, or returns undefined where memory is not controlled by groups. */
export function openMemoryCgroup(name: string): MemoryCgroup | undefined {
  for (const { type, limit, events } of versions)
    for (const root of mountPoints(type)) {
      const dir = `${root}/${name}`;
      if (!existsSync(`${root}/${type === 'cgroup' ? limit : 'cgroup.subtree_control'}`)) continue;
      if (!made(dir)) continue;
      if (existsSync(`${dir}/${limit}`)) {
        writeFileSync(`${dir}/${limit}`, '0');
        return {
          take: (pid) => writeFileSync(`${dir}/cgroup.procs`, String(pid)),
          get kills() {
            return Number(/^oom_kill (\d+)$/m.exec(readFileSync(`${dir}/${events}`, 'utf8'))?.[1]);
          },
          [Symbol.dispose]: () => rmdirSync(dir),
        };
      }
      rmdirSync(dir);
    }
  return undefined;
}

/** Makes a directory; false where that is forbidden, as in a container without the right to it. */
function made(dir: string): boolean {
  try {
    mkdirSync(dir);
    return true;
  } catch (e) {
    if (['EROFS', 'EACCES', 'EPERM'].includes((e as NodeJS.ErrnoException).code ?? '')) return false;
    throw e;
  }
}

/** Where file systems of a type are mounted (proc_pid_mountinfo(5)). */
function mountPoints(type: string): string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(` - ${type} `))
    .map((line) => line.split(' ')[4] ?? '');
}
