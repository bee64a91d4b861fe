/**
 * Where broadcasts go, in networks that have a physical segment, or ports that share addresses, then to those alone: they
 * say so to each other by multicast (VRRP). A list of places for each network, which many ports make together. It is nobody's
 * item: whoever keeps rows by item keeps these by network.
 */
import { FLOOD_MAX, FLOOD_SENDER, FLOOD_SENDER_TAG, floodFlags, floodKey, floodRow } from '../datapath/layouts.ts';
import type { HostState, NetworkItem, PortItem } from '../model/host-state.ts';
import { type HostNumber, isPlace, type PortId } from '../model/ids.ts';
import type { Facts } from './facts.ts';
import type { MapRow } from './map-row.ts';

/** Where a flooded frame goes for a port's sake: to its host, or to a device of this one, with a tag or without. */
export interface Place {
  /** Equal for those who share one copy. */
  readonly key: string;
  /** Another host. */
  readonly host?: HostNumber;
  /** The port that has the device. */
  readonly device?: PortId;
  readonly vlan?: number | undefined;
}

/** A port is on its network's list if there is a segment, or it may have an address that it shares. */
export const hearsFloods = (
  { name }: PortItem,
  segments: { readonly length: number },
  sharers: { has(name: string): boolean },
): boolean => segments.length > 0 || sharers.has(name);

/** The place of a port: the ports of another host share that host; machines behind a segment have none but the segment's own. */
export function placeOf({ id, host, behind = id, vlan }: PortItem, self: HostNumber): Place | undefined {
  if (isPlace(host)) return undefined;
  if (host !== self) return { key: `host ${host}`, host };
  return { key: `device ${behind} ${vlan ?? ''}`, device: behind, vlan };
}

/**
 * The list of a network: the first {@link FLOOD_MAX} of its places, segments and hosts with segments before others, so that
 * they are on it even then; without a segment, who may send to it as well; no list where no port of this host could use it. `places`: of the network's ports that
 * {@link hearsFloods}; `segments`: the network's.
 */
export function planFlood(
  { vni }: Pick<NetworkItem, 'vni'>,
  places: Iterable<Place>,
  segments: readonly PortItem[],
  facts: Facts,
): MapRow[] {
  const all = [...places];
  const entries = all.flatMap((place) => entryOf(place, segments, facts));
  if (!entries.some(({ ifindex }) => ifindex !== 0)) return [];
  entries.sort((a, b) => a.rank - b.rank || a.host - b.host || a.ifindex - b.ifindex || a.vlan - b.vlan);
  const only = segments.length > 0 ? 0 : floodFlags.SHARERS;
  const list = entries
    .slice(0, FLOOD_MAX)
    .map((row, index) => ({ key: { vni, index }, row: { ...row, flags: row.flags | only } }));
  const senders = only ? all.flatMap((place) => senderOf(vni, place, facts)) : [];
  return [...list, ...senders].map(({ key, row }) => ({
    map: 'flood',
    key: floodKey.encode(key),
    value: floodRow.encode(row),
  }));
}

/** Who shares may send to those who do: also a server's own port, which hears nothing. */
function senderOf(vni: number, { device: id, vlan: tag }: Place, { devices }: Facts) {
  const device = id && devices.get(id);
  if (!device) return [];
  const { ifindex, slot } = device;
  const vlan = tag ?? device.vlan ?? 0;
  const index = FLOOD_SENDER + vlan * FLOOD_SENDER_TAG + slot;
  return [{ key: { vni, index }, row: { ifindex, slot, host: 0, vlan, flags: floodFlags.SHARERS } }];
}

type Entry = Parameters<typeof floodRow.encode>[0] & { readonly rank: number };

function entryOf({ host, device: id, vlan }: Place, segments: readonly PortItem[], facts: Facts): Entry[] {
  if (host !== undefined) {
    const rank = segments.some((s) => s.host === host) ? 1 : 3;
    return [{ rank, ifindex: 0, slot: 0, host, vlan: 0, flags: 0 }];
  }
  const device = facts.devices.get(id!);
  const isSegment = segments.some((s) => s.id === id);
  // A server's own port takes what is for its own addresses, and nothing else.
  if (!device || !(isSegment || device.redirectPeer || device.tap)) return [];
  const { ifindex, slot } = device;
  const flags = isSegment ? floodFlags.SEGMENT : 0;
  return [{ rank: isSegment ? 0 : 2, ifindex, slot, host: 0, vlan: vlan ?? device.vlan ?? 0, flags }];
}

/** The lists of all networks: the definition that incremental work must equal. */
export function planFloods(state: HostState, facts: Facts): MapRow[] {
  const items = [...state.values()];
  const ports = Map.groupBy(
    items.filter((item) => item.kind === 'port'),
    ({ network }) => network,
  );
  const shared = items.filter((item) => item.kind === 'address');
  return items.flatMap((network) => {
    if (network.kind !== 'network') return [];
    const all = ports.get(network.id) ?? [];
    const segments = all.filter(({ segment }) => segment);
    const sharers = new Set(shared.flatMap((a) => (a.network === network.id ? a.ports : [])));
    const members = all.filter((port) => hearsFloods(port, segments, sharers));
    const found = members.flatMap((port) => placeOf(port, facts.self) ?? []);
    return planFlood(network, new Map(found.map((place) => [place.key, place])).values(), segments, facts);
  });
}
