import { nftChains, nftCheck } from '../../../gateway/nft.ts';
import { tableName } from '../../../gateway/ruleset.ts';
import { hasCode } from '../../../model/errors.ts';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, warn } from '../finding.ts';

/** A base chain that somebody has. */
interface BaseChain {
  readonly family: string;
  readonly table: string;
  readonly name: string;
  readonly hook?: string;
  readonly policy?: string;
}

/** What nftables can do here, and who else uses it. */
interface NftablesFacts {
  /** Why such rules as the gateways' cannot be loaded. */
  readonly problem?: string;
  readonly chains: readonly BaseChain[];
}

/** Others' chains that drop what they do not know of what is forwarded; the agent has itself let through the classical one. */
const dropsForwarded = ({ table, name, hook, policy }: BaseChain): boolean =>
  hook === 'forward' && policy === 'drop' && table !== tableName && !(table === 'filter' && name === 'FORWARD');

export function judgeNftables({ problem, chains }: NftablesFacts): Finding[] {
  if (problem !== undefined)
    return [
      fail(
        `rules as the gateways need them cannot be loaded: ${problem}`,
        'install the package nftables, and a kernel with nf_tables and its NAT',
      ),
    ];
  const found = chains
    .filter(dropsForwarded)
    .map(({ family, table, name }) =>
      warn(
        `chain ${name} of table ${family} ${table} drops what is forwarded and not named there: workloads may not get outside`,
        `accept there what comes from and goes to 169.254.128.0/17 and fd68:6564:646c::/64, which is Heddle’s`,
      ),
    );
  return found.length > 0 ? found : [ok('rules as the gateways need them can be loaded')];
}

/** One of each thing that the rules of hosts and gateways are made of. */
const sample = `table inet heddle_doctor {
  set hosts4 { type ipv4_addr; }
  set open4 { type ipv4_addr . inet_proto . inet_service; }
  map published { type inet_proto . inet_service : ipv4_addr . inet_service; }
  chain pre { type nat hook prerouting priority dstnat; policy accept; dnat ip to meta l4proto . th dport map @published; }
  chain post { type nat hook postrouting priority srcnat; policy accept; ct status dnat accept; masquerade; }
  chain forward { type filter hook forward priority filter; policy accept; ip daddr . meta l4proto . th dport @open4 accept; ip daddr @hosts4 drop; ct state established accept; }
}
`;

export const nftables = makeCheck({
  name: 'nftables',
  about: 'rules of gateways can be loaded, and nobody else’s are in their way',
  gather: async (): Promise<NftablesFacts> => {
    try {
      await nftCheck(sample);
      return { chains: baseChains(await nftChains()) };
    } catch (e) {
      if (hasCode(e, 'NAT_UNAVAILABLE')) return { problem: e.details.problem, chains: [] };
      throw e;
    }
  },
  judge: judgeNftables,
});

/** The base chains in an answer of `nft --json list chains`. */
export function baseChains(answer: string): BaseChain[] {
  const { nftables: items } = JSON.parse(answer) as { nftables: readonly { readonly chain?: BaseChain }[] };
  return items.flatMap(({ chain }) => (chain?.hook === undefined ? [] : [chain]));
}
