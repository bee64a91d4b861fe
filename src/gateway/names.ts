/** How a gateway's kernel objects are called and recognised (docs/kernel-ids.md). */
import { createHash } from 'node:crypto';
import { isUuid, type NetworkId } from '../model/ids.ts';

/** The two pairs of a gateway: to the workloads, and to the host. */
type Side = 'tenant' | 'outside';
const marks = {
  tenant: { prefix: 'hg', alias: 'heddle:gateway:' },
  outside: { prefix: 'ho', alias: 'heddle:outside:' },
} as const;

/** Name of a pair's host-side end: its prefix and 13 hex digits of the network id's hash. */
export const hostEnd = (side: Side, network: NetworkId): string =>
  marks[side].prefix + createHash('sha256').update(network).digest('hex').slice(0, 13);

/** The mark of a pair's host-side end. */
export const aliasOf = (side: Side, network: NetworkId): string => marks[side].alias + network;

/** The network whose pair of that side has this alias. */
export function networkOfAlias(side: Side, alias: string | undefined): NetworkId | undefined {
  const id = alias?.startsWith(marks[side].alias) ? alias.slice(marks[side].alias.length) : '';
  return isUuid(id) ? (id as NetworkId) : undefined;
}
