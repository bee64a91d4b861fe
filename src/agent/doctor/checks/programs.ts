import { addressList } from '../../../kernel/address.ts';
import { linkList } from '../../../kernel/link.ts';
import { hasForeignFilters, listFilters } from '../../../kernel/tc.ts';
import { listTcx } from '../../../kernel/tcx.ts';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, unknown, warn } from '../finding.ts';

/** Who looks at what arrives by the underlay's device. */
interface ProgramFacts {
  readonly device: string;
  /** Heddle's program is there. */
  readonly ours: boolean;
  /** Others' programs that see a packet before it. */
  readonly ahead: readonly string[];
  /** Others' filters that see what it has passed on. */
  readonly behind: boolean;
  /** An agent runs. */
  readonly runs: boolean;
}

export function judgePrograms(facts: ProgramFacts | undefined): Finding[] {
  if (!facts) return [unknown('there is no underlay device to look at')];
  const { device, ours, ahead, behind, runs } = facts;
  if (runs && !ours)
    return [
      fail(
        `Heddle’s program is not on ${device}: what comes for workloads is not taken there`,
        'the agent puts it back within half a minute; if that does not help, see its log',
      ),
    ];
  if (ahead.length > 0)
    return [
      warn(
        `${ahead.join(', ')} on ${device} ${ahead.length === 1 ? 'sees' : 'see'} packets before Heddle’s program: what is taken there does not arrive`,
        'leave this device out of the other program’s devices, or see that UDP of VXLAN passes',
      ),
    ];
  return [ok(`nobody is before Heddle on ${device}${behind ? '; others filter behind it' : ''}`)];
}

const ourName = 'from_underlay';

export const programs = makeCheck({
  name: 'programs',
  about: 'others’ eBPF programs on the underlay’s device, ahead of Heddle’s',
  atStart: true,
  gather: ({ nl, vtep, agent }): ProgramFacts | undefined => {
    const ifindex = addressList(nl).find((a) => a.ip === vtep)?.ifindex;
    const link = linkList(nl).find((l) => l.ifindex === ifindex);
    if (!link) return undefined;
    const tcx = listTcx(nl, link.ifindex, 'ingress').map(({ name }) => name);
    const inFront = tcx.includes(ourName) ? tcx.slice(0, tcx.indexOf(ourName)) : tcx;
    const filters = listFilters(nl, link.ifindex, 'ingress').map(({ name }) => name);
    return {
      device: link.name,
      ours: tcx.includes(ourName) || filters.includes(`heddle:${ourName}`),
      ahead: [...(link.xdp === undefined ? [] : [`an XDP program (id ${link.xdp})`]), ...inFront],
      behind: hasForeignFilters(nl, link.ifindex, 'ingress'),
      runs: agent !== undefined,
    };
  },
  judge: judgePrograms,
});
