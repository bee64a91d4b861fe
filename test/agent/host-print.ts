/** All of a lab's host that Heddle could have changed, as lines to compare. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { linkList } from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { openNetns } from '../../src/kernel/netns.ts';
import { listTcx } from '../../src/kernel/tcx.ts';

/** Of `/run/heddle/lab/<lab>`, of which host, in which namespace. */
export interface Printed {
  readonly dir: string;
  readonly host: string;
  readonly netns: string;
}

/** Links, addresses, routes, rules, qdiscs, filters, nftables, sysctls, mounts, pins, namespaces, files. Synchronous: it may be taken before an agent starts. */
export function printOf({ dir, host, netns }: Printed): string[] {
  const lines = (text: string, not = /^$/): string[] =>
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line !== '' && !not.test(line))
      .sort();
  const sh = (script: string): string =>
    execFileSync('nsenter', [`--net=${netns}`, '--', 'sh', '-c', script], {
      ...{ encoding: 'utf8', maxBuffer: 64 << 20 },
      // `ip` tells of peers whose namespace is just going.
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  // The host's own link-local addresses and their routes come when nobody else is found to have them.
  sh('for i in $(seq 100); do [ -z "$(ip -6 address show tentative)" ] && exit; sleep 0.1; done');
  const devices = sh('ls /sys/class/net 2>/dev/null; ip -o link').match(/(?<=^\d+: )[^:@]+/gm) ?? [];
  const tc = devices.map(
    (d) => `tc qdisc show dev ${d}; tc filter show dev ${d} ingress; tc filter show dev ${d} egress`,
  );
  const conf = '/proc/sys/net/ipv4/conf /proc/sys/net/ipv6/conf /proc/sys/net/ipv4/ip_forward';
  const print = {
    links: lines(sh('ip -o -d link')),
    addresses: lines(sh('ip -o address')),
    routes: lines(sh('ip -4 route show table all; ip -6 route show table all; ip -4 rule; ip -6 rule')),
    tc: lines(sh(tc.join(';'))),
    tcx: tcxOf(netns),
    nft: lines(sh('nft list ruleset')),
    sysctls: lines(sh(`grep -rs . ${conf} || true`), /stable_secret|\/flush:/),
    mounts: lines(readFileSync('/proc/self/mountinfo', 'utf8')).filter((line) => line.includes(`${dir}/${host}`)),
    pins: lines(sh(`find ${dir}/bpf/${host} -mindepth 1 2>/dev/null || true`)),
    files: lines(sh(`find ${dir}/${host}`), /\/agent\.(log|pid)$/),
  };
  return Object.entries(print).flatMap(([what, list]) => list.map((line) => `${what}: ${line}`));
}

/** What there is less, and more. */
export const differences = (before: readonly string[], after: readonly string[]): string[] => [
  ...before.filter((line) => !after.includes(line)).map((line) => `gone: ${line}`),
  ...after.filter((line) => !before.includes(line)).map((line) => `new: ${line}`),
];

function tcxOf(path: string): string[] {
  using netns = openNetns(path);
  using nl = openNetlink(netns);
  return linkList(nl).flatMap(({ ifindex, name }) =>
    (['ingress', 'egress'] as const).flatMap((side) =>
      listTcx(nl, ifindex, side).map((p) => `${name} ${side} ${p.name}`),
    ),
  );
}
