import { readFileSync } from 'node:fs';
import { makeCheck } from '../check.ts';
import { type Finding, ok, refuse } from '../finding.ts';

/** What an agent needs (capabilities(7)); CAP_SYS_ADMIN has CAP_BPF in it. Locked memory is no matter since Linux 5.11. */
const needed = { CAP_NET_ADMIN: 12, CAP_NET_RAW: 13, CAP_SYS_ADMIN: 21 } as const;

/** `effective`: CapEff of proc(5), a bit for each capability. */
export function judgePrivileges(effective: bigint): Finding[] {
  const missing = Object.entries(needed).flatMap(([name, bit]) => ((effective >> BigInt(bit)) & 1n ? [] : [name]));
  return missing.length === 0
    ? [ok('root, or as good')]
    : [refuse(`this process lacks ${missing.join(', ')}`, 'run it as root, outside of an unprivileged container')];
}

export const privileges = makeCheck({
  name: 'privileges',
  about: 'the capabilities that an agent needs',
  atStart: true,
  gather: () => BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '0'}`),
  judge: judgePrivileges,
});
