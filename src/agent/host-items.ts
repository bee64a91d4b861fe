import { isDeepStrictEqual } from 'node:util';
import {
  type AddressItem,
  type HostItem,
  type ItemKey,
  itemKey,
  type LeaseItem,
  type NetworkItem,
  type PortItem,
  portKey,
  type RouterItem,
} from '../model/host-state.ts';
import type { AddressId, NetworkId, PortId, Vni } from '../model/ids.ts';

/**
 * What this host is to do: all items that the controller told, and over them what was decided here and the controller
 * does not know yet.
 */
export class HostItems {
  readonly #told = new Map<ItemKey, HostItem>();
  readonly #all = new Map<ItemKey, HostItem>();
  readonly #networks = new Map<NetworkId, NetworkItem>();
  readonly #leases = new Map<NetworkId, LeaseItem>();
  readonly #routers = new Map<Vni, RouterItem>();
  readonly #behind = new Map<PortId, Set<PortId>>();
  readonly #shared = new Map<NetworkId, Map<AddressId, AddressItem>>();
  readonly #held = new Map<PortId, Set<AddressId>>();
  readonly #paired = new Map<PortId, PortItem>();
  readonly #portItem: (id: PortId, told: PortItem | undefined) => PortItem | undefined;

  /** `portItem`: this host's word on a port, given the controller's. */
  constructor(portItem: (id: PortId, told: PortItem | undefined) => PortItem | undefined) {
    this.#portItem = portItem;
  }

  /** Both together. */
  get all(): ReadonlyMap<ItemKey, HostItem> {
    return this.#all;
  }
  /** The controller's alone. */
  get told(): ReadonlyMap<ItemKey, HostItem> {
    return this.#told;
  }
  get networks(): ReadonlyMap<NetworkId, NetworkItem> {
    return this.#networks;
  }
  /** By network. */
  get leases(): ReadonlyMap<NetworkId, LeaseItem> {
    return this.#leases;
  }
  /** Ports of two hosts, not those behind others, as the controller told. */
  get paired(): Iterable<PortItem> {
    return this.#paired.values();
  }
  get routers(): Iterable<RouterItem> {
    return this.#routers.values();
  }
  /** The ports behind one, on this host. */
  behind(port: PortId): ReadonlySet<PortId> {
    return this.#behind.get(port) ?? none;
  }
  /** The addresses that ports of a network share. */
  shared(network: NetworkId): Iterable<AddressItem> {
    return this.#shared.get(network)?.values() ?? [];
  }
  /** Those of them that a port has now. */
  held(port: PortId): Iterable<AddressId> {
    return this.#held.get(port) ?? none;
  }
  /** The router that joins a network, if its item is here. */
  routerOf({ domain }: NetworkItem): RouterItem | undefined {
    return domain === undefined ? undefined : this.#routers.get(domain);
  }

  /** The controller's word. Returns whether what is to be done has changed. */
  put(item: HostItem): boolean {
    const key = itemKey(item);
    this.#told.set(key, item);
    if (item.kind === 'port') this.#pair(item.id, item);
    return this.#set(key, item.kind === 'port' ? this.#portItem(item.id, item) : item);
  }
  remove(key: ItemKey): boolean {
    const item = this.#told.get(key);
    this.#told.delete(key);
    if (item?.kind === 'port') this.#pair(item.id, undefined);
    return this.#set(key, item?.kind === 'port' ? this.#portItem(item.id, undefined) : undefined);
  }
  /** This host's own word on a port may have changed. */
  refresh(port: PortId): boolean {
    const key = portKey(port);
    return this.#set(key, this.#portItem(port, this.#told.get(key) as PortItem | undefined));
  }

  /** What is as it was stays the same object: who keeps what was made of it need not look inside. */
  #set(key: ItemKey, item: HostItem | undefined): boolean {
    const before = this.#all.get(key);
    if (isDeepStrictEqual(before, item)) return false;
    if (before) this.#unindex(before);
    if (item) this.#index(key, item);
    else this.#all.delete(key);
    return true;
  }

  #pair(port: PortId, item: PortItem | undefined): void {
    if (item?.standby === undefined || item.behind) this.#paired.delete(port);
    else this.#paired.set(port, item);
  }

  #index(key: ItemKey, item: HostItem): void {
    this.#all.set(key, item);
    if (item.kind === 'network') this.#networks.set(item.id, item);
    if (item.kind === 'lease') this.#leases.set(item.network, item);
    if (item.kind === 'router') this.#routers.set(item.domain, item);
    if (item.kind === 'address') this.#indexShared(item);
    if (item.kind === 'port' && item.behind)
      this.#behind.getOrInsertComputed(item.behind, () => new Set<PortId>()).add(item.id);
  }

  /** One may have come in the place of another before that one goes. */
  #unindex(item: HostItem): void {
    if (item.kind === 'network') this.#networks.delete(item.id);
    if (item.kind === 'lease' && this.#leases.get(item.network) === item) this.#leases.delete(item.network);
    if (item.kind === 'router' && this.#routers.get(item.domain) === item) this.#routers.delete(item.domain);
    if (item.kind === 'port' && item.behind) forget(this.#behind, item.behind, item.id);
    if (item.kind === 'address') this.#unindexShared(item);
  }

  #indexShared(item: AddressItem): void {
    const { id, network, holder } = item;
    this.#shared.getOrInsertComputed(network, () => new Map<AddressId, AddressItem>()).set(id, item);
    if (holder) this.#held.getOrInsertComputed(holder, () => new Set<AddressId>()).add(id);
  }

  #unindexShared({ id, network, holder }: AddressItem): void {
    forget(this.#shared, network, id);
    if (holder) forget(this.#held, holder, id);
  }
}

/** Takes a member out, and with the last one the key. */
function forget<K, M>(all: Map<K, Set<M> | Map<M, unknown>>, key: K, member: M): void {
  const members = all.get(key);
  members?.delete(member);
  if (members?.size === 0) all.delete(key);
}

const none: ReadonlySet<never> = new Set();
