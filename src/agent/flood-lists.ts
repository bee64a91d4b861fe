import { isDeepStrictEqual } from 'node:util';
import type { Facts } from '../compile/facts.ts';
import type { MapRow } from '../compile/map-row.ts';
import { hearsFloods, type Place, placeOf, planFlood } from '../compile/plan-flood.ts';
import type { AddressItem, HostItem, ItemKey, NetworkItem, PortItem } from '../model/host-state.ts';
import type { AddressId, HostNumber, NetworkId, PortId } from '../model/ids.ts';

/** A port that is somewhere. */
interface Member {
  readonly port: PortItem;
  readonly place: Place;
}
/** What a network's list is made of. */
interface Members {
  /** By key; `ports`: how many have their place there. */
  readonly places: Map<string, { place: Place; ports: number }>;
  readonly segments: Map<PortId, PortItem>;
}

/**
 * Keeps for each network where broadcasts go, and which lists must be planned anew. Machines that come and go behind a
 * segment, and ports on a host that has others, change no list.
 */
export class FloodLists {
  readonly #members = new Map<NetworkId, Members>();
  readonly #ports = new Map<PortId, Member>();
  readonly #shared = new Map<AddressId, AddressItem>();
  /** Names of the ports that may have a shared address, by network: of how many. */
  readonly #sharers = new Map<NetworkId, Map<string, number>>();
  readonly #stale = new Set<NetworkId>();

  /** An item may have come, changed or gone (undefined), or a port's device has. */
  heed(key: ItemKey, item: HostItem | undefined, self: HostNumber): void {
    const [kind, id] = key.split('/') as [HostItem['kind'], string];
    if (kind === 'network') this.#stale.add(id as NetworkId);
    if (kind === 'address') this.#heedShared(id as AddressId, item as AddressItem | undefined);
    if (kind === 'port') this.#heedPort(id as PortId, item as PortItem | undefined, self);
  }

  /** The rows of the lists that may have changed since the last call. */
  *take(networks: ReadonlyMap<NetworkId, NetworkItem>, facts: Facts): Generator<[NetworkId, MapRow[]]> {
    for (const id of this.#stale) {
      const network = networks.get(id);
      const members = this.#members.get(id);
      const segments = [...(members?.segments.values() ?? [])];
      const places = segments.length > 0 ? [...members!.places.values()].map(({ place }) => place) : this.#sharing(id);
      yield [id, network ? planFlood(network, places, segments, facts) : []];
    }
    this.#stale.clear();
  }

  #heedShared(id: AddressId, item: AddressItem | undefined): void {
    const before = this.#shared.get(id);
    if (item) this.#shared.set(id, item);
    else this.#shared.delete(id);
    // Who has it makes no difference, and may change every second.
    if (before && item && isDeepStrictEqual(before.ports, item.ports)) return;
    if (item) this.#share(item, 1);
    if (before) this.#share(before, -1);
  }

  #share({ network, ports }: AddressItem, by: 1 | -1): void {
    const names = this.#sharers.getOrInsertComputed(network, () => new Map<string, number>());
    for (const name of ports) {
      const count = (names.get(name) ?? 0) + by;
      if (count > 0) names.set(name, count);
      else names.delete(name);
    }
    if (names.size === 0) this.#sharers.delete(network);
    this.#stale.add(network);
  }

  /** Where those are. Few networks have any, and they seldom change: it looks through all ports. */
  #sharing(network: NetworkId): Place[] {
    const sharers = this.#sharers.get(network);
    if (!sharers) return [];
    const all = [...this.#ports.values()].filter(
      ({ port }) => port.network === network && hearsFloods(port, [], sharers),
    );
    return [...new Map(all.map(({ place }) => [place.key, place])).values()];
  }

  #heedPort(id: PortId, port: PortItem | undefined, self: HostNumber): void {
    const before = this.#ports.get(id);
    const place = port && placeOf(port, self);
    const after = port && place && { port, place };
    // The new before the old: a place that stays is at no moment nobody's.
    if (after) this.#enter(after);
    if (before) this.#leave(before);
    for (const { port } of [before ?? [], after ?? []].flat()) this.#heedSharer(port);
    if (!after) return void this.#ports.delete(id);
    this.#ports.set(id, after);
    if (after.port.segment) this.#members.get(port.network)!.segments.set(id, port);
  }

  #heedSharer({ network, name }: PortItem): void {
    if (this.#sharers.get(network)?.has(name)) this.#stale.add(network);
  }

  #enter({ port, place }: Member): void {
    const { places } = this.#members.getOrInsertComputed(port.network, () => ({
      places: new Map(),
      segments: new Map(),
    }));
    const there = places.getOrInsertComputed(place.key, () => ({ place, ports: 0 }));
    there.ports++;
    if (there.ports === 1 || port.segment || this.#tellsOfDevice(port.id, place)) this.#touch(port.network, port);
  }

  #leave({ port, place }: Member): void {
    const members = this.#members.get(port.network)!;
    const there = members.places.get(place.key)!;
    if (--there.ports === 0) members.places.delete(place.key);
    if (there.ports === 0 || port.segment) this.#touch(port.network, port);
    members.segments.delete(port.id);
    if (members.places.size === 0) this.#members.delete(port.network);
  }

  /** Whoever has a device tells of it to the list; but not to another network's, nor if it is not here. */
  #tellsOfDevice(port: PortId, { device, vlan }: Place): boolean {
    return (
      device !== undefined &&
      (device === port || vlan !== undefined || this.#ports.get(device)?.place.device !== device)
    );
  }

  /** Without a segment there is no list, unless `port` was the last one. */
  #touch(network: NetworkId, port: PortItem): void {
    if (port.segment || (this.#members.get(network)?.segments.size ?? 0) > 0) this.#stale.add(network);
  }
}
