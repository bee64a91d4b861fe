import { readFileSync, statfsSync } from 'node:fs';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, refuse } from '../finding.ts';
import { nearest } from '../nearest.ts';

const BPF_FS_MAGIC = 0xcafe4a11;

/** Where programs and maps are pinned, or would be. */
interface BpffsFacts {
  readonly dir: string;
  readonly isBpffs: boolean;
  /** The kernel has such file systems. */
  readonly supported: boolean;
  /** An agent runs. */
  readonly runs: boolean;
}

export function judgeBpffs({ dir, isBpffs, supported, runs }: BpffsFacts): Finding[] {
  if (isBpffs) return [ok(`${dir} is in a bpffs`)];
  if (!supported)
    return [refuse('this kernel has no BPF file system', 'use a kernel that is built with CONFIG_BPF_SYSCALL')];
  return runs
    ? [
        fail(
          `${dir}, where the agent has pinned its programs and maps, is in no bpffs any more, and the next agent would not find them`,
          'restart the agent soon: it mounts one there and makes all anew; whoever has taken it off must not do so again',
        ),
      ]
    : [ok(`the agent will mount a bpffs at ${dir}`)];
}

export const bpffs = makeCheck({
  name: 'bpffs',
  about: 'the file system where programs and maps outlive the agent',
  gather: ({ bpfDir, agent }): BpffsFacts => ({
    dir: bpfDir,
    isBpffs: statfsSync(nearest(bpfDir)).type >>> 0 === BPF_FS_MAGIC,
    supported: /\tbpf$/m.test(readFileSync('/proc/filesystems', 'utf8')),
    runs: agent !== undefined,
  }),
  atStart: true,
  judge: judgeBpffs,
});
