import { hasErrno } from '../../../kernel/libc.ts';
import { sysctlRead } from '../../../kernel/sysctl.ts';
import { makeCheck } from '../check.ts';
import { type Finding, ok, unknown, warn } from '../finding.ts';

/** Room in the kernel's table of neighbours. */
interface NeighbourFacts {
  /** Entries that it holds at most (gc_thresh3); absent: the kernel shows it in another network namespace. */
  readonly most?: number;
  /** Other hosts of the installation. */
  readonly hosts: number;
}

/** As the kernel has it if nobody changes it. */
const defaultMost = 1_024;

export function judgeNeighbours({ most, hosts }: NeighbourFacts): Finding[] {
  // Gateways and the host's own neighbours need room as well.
  const wanted = 2 * hosts + 256;
  if (most === undefined)
    return wanted <= defaultMost
      ? [ok(`${hosts} other hosts, for which the kernel’s own limit of neighbours has room`)]
      : [
          unknown(
            `there are ${hosts} other hosts, and the limit of neighbours cannot be seen from this network namespace`,
            'look at it in the machine’s first one: sysctl net.ipv4.neigh.default.gc_thresh3',
          ),
        ];
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
      return { hosts, most: Number(sysctlRead(undefined, ['ipv4', 'neigh', 'default', 'gc_thresh3'])) };
    } catch (e) {
      if (hasErrno(e, 'ENOENT')) return { hosts };
      throw e;
    }
  },
  judge: judgeNeighbours,
});
