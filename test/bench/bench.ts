/** Running the benchmarks, and what a run may have left behind. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';

/** The command to which a benchmark's name is added. */
export const bench = [process.execPath, fileURLToPath(new URL('../../bench/main.ts', import.meta.url))];

/** Where a run makes things: namespaces, engine folders, labs, cgroups. */
const folders = ['/run/netns', tmpdir(), '/run/heddle/lab', '/sys/fs/cgroup', '/sys/fs/cgroup/pids'];

/** What is still there of a run that wrote this to standard error; it says there how its things are named. */
export function leftovers(stderr: string): string[] {
  const prefix = /named (hdb[0-9a-f]{6})/.exec(stderr)?.[1];
  assert.ok(prefix, stderr);
  return folders.filter(existsSync).flatMap((folder) => readdirSync(folder).filter((name) => name.includes(prefix)));
}
