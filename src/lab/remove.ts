/** Removes every trace of a lab, whatever state it is in: nothing here relies on a file that the lab wrote. */
import { existsSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { removeControlGroups } from './control-groups.ts';
import { enginePidFile } from './engine.ts';
import { unmountUnder } from './mounts.ts';
import { engineDir, labDir, labRoot, netnsPrefix } from './plan.ts';
import { gone, pidsInNetns, runningPid, signalPid } from './processes.ts';
import { ipBatch } from './run.ts';

const entries = (dir: string): string[] => (existsSync(dir) ? readdirSync(dir) : []);

/** The names of a lab's network namespaces that exist. */
export const labNetns = (name: string): string[] =>
  entries('/run/netns').filter((n) => n.startsWith(netnsPrefix(name)));

/** The names of all labs of which anything is left. */
export function labNames(): string[] {
  const byNetns = entries('/run/netns').flatMap((n) => /^hd-([a-z][a-z0-9]{0,19})-/.exec(n)?.[1] ?? []);
  return [...new Set([...entries(labRoot), ...byNetns])].sort();
}

const hostPidFiles = (dir: string): string[] => [`${dir}/agent.pid`, enginePidFile({ dir: engineDir(dir) })];

function daemonPids(dir: string): number[] {
  const files = entries(dir).flatMap((e) => (e.endsWith('.pid') ? [`${dir}/${e}`] : hostPidFiles(`${dir}/${e}`)));
  return files.flatMap((file) => runningPid(file) ?? []);
}

/** True if a daemon of the lab runs. */
export const labRuns = (name: string): boolean => daemonPids(labDir(name)).length > 0;

function removeIfEmpty(dir: string): void {
  if (existsSync(dir) && entries(dir).length === 0) rmdirSync(dir);
}

/**
 * Processes (containers too), namespaces (and with them all links and filters), mounts (and with them all pins) and files. Idempotent.
 * @returns whether there was anything
 * @throws LAB_FAILED
 */
export async function removeLab(name: string): Promise<boolean> {
  const dir = labDir(name);
  const namespaces = labNetns(name);
  const found = namespaces.length > 0 || existsSync(dir);
  for (;;) {
    const pids = [...new Set([...daemonPids(dir), ...pidsInNetns(namespaces)])].filter((pid) => pid !== process.pid);
    if (pids.length === 0) break;
    for (const pid of pids) signalPid(pid, 'SIGKILL');
    await gone(pids);
  }
  await removeControlGroups((group) => group.startsWith(netnsPrefix(name)));
  await ipBatch(namespaces.map((n) => `netns delete ${n}`));
  await unmountUnder(dir);
  rmSync(dir, { recursive: true, force: true });
  removeIfEmpty(labRoot);
  removeIfEmpty(dirname(labRoot));
  return found;
}
