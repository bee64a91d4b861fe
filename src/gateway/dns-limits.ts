/**
 * How fast one workload may ask its gateway's DNS, in the kernel: all workloads of a network share the server's sockets, so a
 * flood must end before it fills their queues or costs the agent's time. Before connection tracking, so that it fills no
 * table either.
 */
import { chain } from './ruleset.ts';

/** Queries per second of one address and of a whole network, and connections per second of one address. */
const perSecond = { queries: 1_000, networkQueries: 5_000, connections: 100 } as const;

const limits = [
  { name: 'queries', match: 'udp dport 53', rate: perSecond.queries },
  { name: 'connections', match: 'tcp dport 53 tcp flags & (syn | ack) == syn', rate: perSecond.connections },
];
const families = [
  { family: 4, address: 'ip saddr' },
  { family: 6, address: 'ip6 saddr' },
];
const over = (rate: number): string => `limit rate over ${rate}/second burst ${2 * rate} packets`;

/** Sets and chain of the ruleset. */
export const dnsLimits: readonly string[] = [
  ...limits.flatMap(({ name }) =>
    families.map(
      ({ family }) =>
        `  set dns-${name}${family} { type ipv${family}_addr; size 65535; flags dynamic, timeout; timeout 10s; }`,
    ),
  ),
  chain('dns', 'filter hook prerouting priority raw', [
    ...limits.flatMap(({ name, match, rate }) =>
      families.map(
        ({ family, address }) =>
          `iifname "tenant" ${match} update @dns-${name}${family} { ${address} ${over(rate)} } drop`,
      ),
    ),
    `iifname "tenant" udp dport 53 ${over(perSecond.networkQueries)} drop`,
    // Nobody could answer there: the server knows no interface of this namespace.
    'iifname "tenant" ip6 saddr fe80::/10 meta l4proto { tcp, udp } th dport 53 drop',
  ]),
];
