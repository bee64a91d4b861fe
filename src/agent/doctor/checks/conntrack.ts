import { hasErrno } from '../../../kernel/libc.ts';
import { sysctlRead } from '../../../kernel/sysctl.ts';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, warn } from '../finding.ts';

/** The host's connection tracking, which what goes outside and what is published need; undefined: it is not loaded. */
interface ConntrackFacts {
  readonly count: number;
  readonly most: number;
  /** So long an idle TCP connection is remembered, seconds. */
  readonly tcpIdleSeconds: number;
  /** The same of an answered UDP flow. */
  readonly udpIdleSeconds: number;
}

const least = { tcpIdleSeconds: 7_440, udpIdleSeconds: 60 } as const; // RFC 5382 §5 REQ-5; half of what RFC 4787 §4.3 recommends

export function judgeConntrack(facts: ConntrackFacts | undefined): Finding[] {
  if (!facts) return [ok('no connection is tracked on this host')];
  const { count, most, tcpIdleSeconds, udpIdleSeconds } = facts;
  const used = `${count} of ${most} connections are tracked`;
  const advice = `sysctl -w net.netfilter.nf_conntrack_max=${2 * most}, and find out who has so many: conntrack -L`;
  const found: Finding[] = [];
  if (count >= 0.95 * most) found.push(fail(`${used}: new ones to and from the outside are dropped`, advice));
  else if (count >= 0.8 * most) found.push(warn(used, advice));
  const idle = (what: string, name: string, seconds: number, wanted: number): void => {
    if (seconds < wanted)
      found.push(
        warn(
          `an idle ${what} to or from the outside is forgotten after ${seconds} s`,
          `sysctl -w net.netfilter.${name}=${wanted}, or more`,
        ),
      );
  };
  idle('TCP connection', 'nf_conntrack_tcp_timeout_established', tcpIdleSeconds, least.tcpIdleSeconds);
  idle('UDP flow', 'nf_conntrack_udp_timeout_stream', udpIdleSeconds, least.udpIdleSeconds);
  return found.length > 0 ? found : [ok(used)];
}

export const conntrack = makeCheck({
  name: 'conntrack',
  about: 'room in the table of tracked connections, and how soon idle ones are forgotten',
  gather: (): ConntrackFacts | undefined => {
    const read = (name: string) => Number(sysctlRead(undefined, ['netfilter', name]));
    try {
      return {
        count: read('nf_conntrack_count'),
        most: read('nf_conntrack_max'),
        tcpIdleSeconds: read('nf_conntrack_tcp_timeout_established'),
        udpIdleSeconds: read('nf_conntrack_udp_timeout_stream'),
      };
    } catch (e) {
      if (hasErrno(e, 'ENOENT')) return undefined;
      throw e;
    }
  },
  judge: judgeConntrack,
});
