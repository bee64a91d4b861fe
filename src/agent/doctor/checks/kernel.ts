import { release } from 'node:os';
import { hasErrno } from '../../../kernel/libc.ts';
import { releaseIsAtLeast } from '../../../kernel/release.ts';
import { sysctlRead } from '../../../kernel/sysctl.ts';
import { makeCheck } from '../check.ts';
import { type Finding, ok, refuse, warn } from '../finding.ts';

/** What the kernel says of itself. */
interface KernelFacts {
  /** "6.1.0-31-amd64". */
  readonly release: string;
  /** net.core.bpf_jit_enable; absent: it is always on, or cannot be seen from here. */
  readonly jit?: string;
}

export function judgeKernel({ release, jit }: KernelFacts): Finding[] {
  if (!releaseIsAtLeast(release, 5, 15))
    return [refuse(`Linux ${release} is too old for Heddle’s programs`, 'install Linux 5.15 or newer')];
  const tcx = releaseIsAtLeast(release, 6, 6) ? ', programs run by tcx' : '';
  return jit === '0'
    ? [
        warn(
          'the kernel interprets eBPF programs, and every packet takes several times as long',
          'sysctl -w net.core.bpf_jit_enable=1, and the same in /etc/sysctl.d',
        ),
      ]
    : [ok(`Linux ${release}${tcx}`)];
}

/** The kernel shows it in the machine's first network namespace alone, and not at all if it always compiles. */
function jitIfShown(): { jit?: string } {
  try {
    return { jit: sysctlRead(undefined, ['core', 'bpf_jit_enable']) };
  } catch (e) {
    if (hasErrno(e, 'ENOENT')) return {};
    throw e;
  }
}

export const kernel = makeCheck({
  name: 'kernel',
  about: 'Linux 5.15 or newer, with compiled eBPF programs',
  atStart: true,
  gather: (): KernelFacts => ({ release: release(), ...jitIfShown() }),
  judge: judgeKernel,
});
