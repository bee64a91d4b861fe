import { type Ip, ipFamily, ipNumber } from '../model/address.ts';

/** Many addresses in few words: "10.0.0.2-10.0.0.9, 10.0.0.12, fd00::2-fd00::9". */
export function rangesText(addresses: readonly string[]): string {
  const sorted = (addresses as readonly Ip[])
    .map((ip) => ({ ip, family: ipFamily(ip), n: ipNumber(ip) }))
    .sort((a, b) => a.family - b.family || (a.n < b.n ? -1 : 1));
  const runs: { first: string; last: string; family: 4 | 6; next: bigint }[] = [];
  for (const { ip, family, n } of sorted) {
    const run = runs.at(-1);
    if (run?.family === family && run.next === n) Object.assign(run, { last: ip, next: n + 1n });
    else runs.push({ first: ip, last: ip, family, next: n + 1n });
  }
  return runs.map(({ first, last }) => (first === last ? first : `${first}-${last}`)).join(', ');
}
