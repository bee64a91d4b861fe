/** What a host writes of networks and subnets: as much as its Docker engine wants, and nothing of those that users have made. */
import { isDeepStrictEqual } from 'node:util';
import { forLabel, isMade, isProvisional, madeLabel } from '../model/made-network.ts';
import type { NetworkRecord, Stored, SubnetRecord } from './records.ts';
import type { World } from './world.ts';

type Fields = Readonly<Record<string, unknown>>;

const fields = {
  network: ['name', 'mtuBytes', 'sourceNat', 'labels'],
  subnet: ['name', 'network', 'cidr', 'gateway', 'pools'],
} as const;
const labels: readonly string[] = [madeLabel.key, forLabel];

/** A network that says for whom it was made; a subnet of one, while no other host is in that. */
export function mayMake(world: World, host: string, kind: 'network' | 'subnet', scope: string, input: Fields): boolean {
  if (Object.keys(input).some((field) => !fields[kind].some((known) => known === field))) return false;
  if (kind === 'subnet') return isItsOwn(world, host, world.find('network', scope, String(input.network))?.record);
  const given = (input.labels ?? {}) as Record<string, string>;
  return isMade({ labels: given }) && Object.keys(given).every((key) => labels.includes(key));
}

/** Once, to the name that Docker's has: who joins it later may be the one to hear of that. */
export const mayRename = ({ record }: Stored<'network'>, next: Fields, was: Fields): boolean =>
  isMade(record) &&
  isProvisional(record.name) &&
  isDeepStrictEqual({ ...next, name: undefined }, { ...was, name: undefined });

/** The last host in it, whichever made it. */
export const mayUnmake = (world: World, host: string, { kind, record }: Stored): boolean =>
  isItsOwn(
    world,
    host,
    kind === 'network' ? (record as NetworkRecord) : world.network.get((record as SubnetRecord).network)?.record,
  );

const isItsOwn = (world: World, host: string, network: NetworkRecord | undefined): boolean =>
  network !== undefined &&
  isMade(network) &&
  [...world.views.hostsOfNetwork.of(network.id)].every((other) => other === host);
