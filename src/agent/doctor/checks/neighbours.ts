import { hasErrno } from '../../../kernel/libc.ts';
import { openNetns } from '../../../kernel/netns.ts';
import { sysctlRead } from '../../../kernel/sysctl.ts';
import { makeCheck } from '../check.ts';
import { type Finding, ok, unknown, warn } from '../finding.ts';

/** Room in the kernel's table of neighbours. */
interface NeighbourFacts {
  /** Entries that it holds at most (gc_thresh3); absent: it cannot be seen from here. */
  readonly most?: number;
  /** Other hosts of the installation. */
  readonly hosts: number;
}

export function judgeNeighbours({ most, hosts }: NeighbourFacts): Finding[] {
  if (most === undefined) return [unknown('the limit of the machine’s neighbour table cannot be seen from here')];
  // Gateways and the host's own neighbours need room as well.
  const wanted = 2 * hosts + 256;
  return most >= wanted
    ? [ok(`room for ${most} neighbours, ${hosts} other hosts`)]
    : [
        warn(
          `the kernel keeps ${most} neighbours at most, and there are ${hosts} other hosts: packets to some take the slow path`,
          `sysctl -w net.ipv4.neigh.default.gc_thresh3=${2 ** Math.ceil(Math.log2(wanted))}, and the same in /etc/sysctl.d`,
        ),
      ];
}

export const neighbours = makeCheck({
  name: 'neighbours',
  about: 'the kernel’s limit of neighbours, against the number of hosts',
  gather: ({ agent }): NeighbourFacts => {
    const hosts = agent?.vteps.length ?? 0;
    try {
      using first = openNetns('/proc/1/ns/net');
      return { hosts, most: Number(sysctlRead(first, ['ipv4', 'neigh', 'default', 'gc_thresh3'])) };
    } catch (e) {
      if (hasErrno(e, 'ENOENT') || hasErrno(e, 'EPERM') || hasErrno(e, 'EACCES')) return { hosts };
      throw e;
    }
  },
  judge: judgeNeighbours,
});
