import { release } from 'node:os';
import { hasErrno } from '../../../kernel/libc.ts';
import { openNetns } from '../../../kernel/netns.ts';
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

/** The value in the machine's first network namespace, where alone the kernel shows it. */
function jitOfMachine(): { jit?: string } {
  try {
    using first = openNetns('/proc/1/ns/net');
    return { jit: sysctlRead(first, ['core', 'bpf_jit_enable']) };
  } catch (e) {
    // Without the right to look there it is not known; a kernel that always compiles has no such value.
    if (hasErrno(e, 'ENOENT') || hasErrno(e, 'EPERM') || hasErrno(e, 'EACCES')) return {};
    throw e;
  }
}

export const kernel = makeCheck({
  name: 'kernel',
  about: 'Linux 5.15 or newer, with compiled eBPF programs',
  atStart: true,
  gather: (): KernelFacts => ({ release: release(), ...jitOfMachine() }),
  judge: judgeKernel,
});
