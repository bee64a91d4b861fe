import { readFileSync } from 'node:fs';
import { must } from './run.ts';

/** Unmounts all at or under a folder, innermost first (proc_pid_mountinfo(5): spaces are \040). @throws LAB_FAILED */
export async function unmountUnder(dir: string): Promise<void> {
  const points = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .flatMap((line) => line.split(' ')[4]?.replaceAll('\\040', ' ') ?? [])
    .filter((point) => point === dir || point.startsWith(`${dir}/`))
    .reverse();
  for (const point of points) await must(['umount', '--lazy', point]);
}
