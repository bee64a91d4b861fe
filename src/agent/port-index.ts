import type { PortItem } from '../model/host-state.ts';
import type { NetworkId, PortId } from '../model/ids.ts';

/** Ports by what only one of a network has at a time: its MAC, or an address. */
export class PortIndex<Key> {
  readonly #keysOf: (port: PortItem) => readonly Key[];
  readonly #ports = new Map<PortId, PortItem>();
  readonly #rows = new Map<NetworkId, Map<Key, PortItem>>();

  constructor(keysOf: (port: PortItem) => readonly Key[]) {
    this.#keysOf = keysOf;
  }

  /** A port came, changed, or went (undefined). What comes may be told before what goes and had its keys until then. */
  set(id: PortId, port: PortItem | undefined): void {
    const before = this.#ports.get(id);
    if (before) this.#remove(before);
    if (!port) return;
    this.#ports.set(id, port);
    const rows = this.#rows.getOrInsertComputed(port.network, () => new Map());
    for (const key of this.#keysOf(port)) rows.set(key, port);
  }

  #remove(port: PortItem): void {
    this.#ports.delete(port.id);
    const rows = this.#rows.get(port.network);
    for (const key of this.#keysOf(port)) if (rows?.get(key)?.id === port.id) rows.delete(key);
    if (rows?.size === 0) this.#rows.delete(port.network);
  }

  /** The one that has it now. */
  find(network: NetworkId, key: Key): PortItem | undefined {
    return this.#rows.get(network)?.get(key);
  }

  /** All of a network, each as often as it has keys. */
  of(network: NetworkId): Iterable<PortItem> {
    return this.#rows.get(network)?.values() ?? [];
  }
}
