import { statfsSync } from 'node:fs';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, warn } from '../finding.ts';
import { nearest } from '../nearest.ts';

const mebibyte = 1024 * 1024;
/** The cached state of a host with 10,000 ports takes some 10 MiB, and is written beside the old one. */
const least = { failBytes: 16 * mebibyte, warnBytes: 128 * mebibyte, files: 1_000 } as const;

/** Room where the agent's state is, or would be. */
interface DiskFacts {
  readonly dir: string;
  readonly freeBytes: number;
  /** How many more files there may be; absent: the file system has no limit. */
  readonly freeFiles?: number;
}

export function judgeDisk({ dir, freeBytes, freeFiles }: DiskFacts): Finding[] {
  const room = `${Math.floor(freeBytes / mebibyte)} MiB are free at ${dir}`;
  const advice = 'make room, or name another folder: heddle agent --state-dir <folder>';
  if (freeBytes < least.failBytes) return [fail(`${room}: attachments and leases cannot be kept for sure`, advice)];
  if (freeFiles !== undefined && freeFiles < least.files)
    return [fail(`${freeFiles} more files fit at ${dir}: every attachment takes one`, advice)];
  return freeBytes < least.warnBytes ? [warn(`only ${room}`, advice)] : [ok(room)];
}

export const disk = makeCheck({
  name: 'disk',
  about: 'room for what the agent must remember',
  atStart: true,
  gather: ({ stateDir }): DiskFacts => {
    const { bavail, bsize, files, ffree } = statfsSync(nearest(stateDir));
    return { dir: stateDir, freeBytes: bavail * bsize, ...(files > 0 && { freeFiles: ffree }) };
  },
  judge: judgeDisk,
});
