/** Control groups that engines make for their containers: found by name in every hierarchy, and removed with what runs in them. */
import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { gone, signalPid, until } from './processes.ts';

/** Top folders of the control groups whose names are chosen, in all hierarchies (version 1 has one for each controller). */
function tops(chosen: (name: string) => boolean): string[] {
  return readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , type]) => type === 'cgroup' || type === 'cgroup2')
    .flatMap(([, mountPoint = '']) =>
      readdirSync(mountPoint, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && chosen(entry.name))
        .map((entry) => `${mountPoint}/${entry.name}`),
    );
}

/** A control group and those in it, innermost first. */
function withInner(top: string): string[] {
  const inner = readdirSync(top, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `${entry.parentPath}/${entry.name}`);
  return [top, ...inner].toSorted((a, b) => b.length - a.length);
}

/** Kills what runs in the chosen control groups and removes them. @throws LAB_FAILED */
export async function removeControlGroups(chosen: (name: string) => boolean): Promise<void> {
  const folders = tops(chosen).flatMap(withInner);
  const pids = new Set(
    folders.flatMap((f) => readFileSync(`${f}/cgroup.procs`, 'utf8').split('\n').filter(Boolean).map(Number)),
  );
  for (const pid of pids) signalPid(pid, 'SIGKILL');
  // Version 1 lets nothing die that is frozen (docker pause).
  for (const f of folders) if (existsSync(`${f}/freezer.state`)) writeFileSync(`${f}/freezer.state`, 'THAWED');
  await gone([...pids]);
  // A process that has ended leaves its group a moment later.
  const left = new Set(folders);
  await until(`the removal of the control groups ${folders.join(', ')}`, 5000, () => {
    for (const folder of left) if (removed(folder)) left.delete(folder);
    return left.size === 0 ? true : undefined;
  });
}

function removed(folder: string): boolean {
  try {
    rmdirSync(folder);
    return true;
  } catch (e) {
    const { code } = e as NodeJS.ErrnoException;
    if (code === 'ENOENT') return true;
    if (code === 'EBUSY') return false;
    throw e;
  }
}
