/** The steps of a move as command lines that a person can run, one by one. Pure. */
import type { Step } from './import-plan.ts';

const shell = (word: string): string =>
  /^[A-Za-z0-9_./:=@,-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
const line = (words: readonly string[]): string => words.map(shell).join(' ');
/** A flag with its value, if it has one. */
const flag = (name: string, value: string | number | undefined): string[] =>
  value === undefined ? [] : [`--${name}`, String(value)];

/** One step as shell commands. */
export function commandOf(step: Step, tenant: string): string {
  switch (step.do) {
    case 'make-network':
      return line([
        ...['heddle', 'network', 'create', step.name, '--tenant', tenant],
        ...flag('mtu', step.mtuBytes),
        ...(step.sourceNat ? ['--source-nat'] : []),
        ...Object.entries(step.labels).flatMap(([key, value]) => flag('label', `${key}=${value}`)),
      ]);
    case 'make-subnet':
      return line([
        ...['heddle', 'subnet', 'create', step.name, '--tenant', tenant, '--network', step.network],
        ...flag('cidr', step.range.subnet),
        ...flag('gateway', step.range.gateway),
        ...flag('pool', step.range.pool && `${step.range.pool.first}-${step.range.pool.last}`),
      ]);
    case 'join':
      return line([
        ...['docker', 'network', 'create', '--driver', 'heddle', '--ipam-driver', 'heddle'],
        ...['--ipam-opt', `heddle.tenant=${tenant}`, '--ipam-opt', `heddle.network=${step.network}`],
        ...(step.from.internal ? ['--internal'] : []),
        ...(step.from.ranges.some((r) => r.subnet.includes(':')) ? ['--ipv6'] : []),
        ...step.from.ranges.flatMap((r) => [
          ...flag('subnet', r.subnet),
          ...flag('gateway', r.gateway),
          ...Object.entries(r.reserved).flatMap(([name, address]) => flag('aux-address', `${name}=${address}`)),
        ]),
        step.name,
      ]);
    case 'move': {
      const { container, addresses, aliases } = step.place;
      const options = [
        ...addresses.flatMap((a) => flag(a.includes(':') ? 'ip6' : 'ip', a)),
        ...aliases.flatMap((a) => flag('alias', a)),
      ];
      return [
        line(['docker', 'network', 'disconnect', step.from, container]),
        line(['docker', 'network', 'connect', ...options, step.to, container]),
      ].join(' && ');
    }
  }
}
