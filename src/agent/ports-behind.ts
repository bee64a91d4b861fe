import type { Device } from '../compile/facts.ts';
import { type ItemKey, type PortItem, portKey, portOfKey } from '../model/host-state.ts';
import type { PortId } from '../model/ids.ts';

/** What tells of ports in front of others. */
interface Fronts {
  /** The ports behind one. */
  behind(port: PortId): ReadonlySet<PortId>;
  /** A port's device, unless it is about to go. */
  device(port: PortId): Device | undefined;
  item(port: PortId): PortItem | undefined;
}

/** Which rows change with another port's: those of ports behind it follow its device, and what it is. */
export class PortsBehind {
  /** Of those that have ports behind them: by what these were planned last. */
  readonly #planned = new Map<PortId, string>();

  /** Ports behind these whose rows are no longer what they were planned by. */
  follow(dirty: Iterable<ItemKey>, fronts: Fronts): ItemKey[] {
    const keys: ItemKey[] = [];
    for (const key of dirty) {
      const id = portOfKey(key);
      if (!id) continue;
      const behind = fronts.behind(id);
      if (behind.size === 0) {
        this.#planned.delete(id);
        continue;
      }
      const { ifindex, slot, vlan } = fronts.device(id) ?? {};
      const now = [ifindex, slot, vlan, fronts.item(id)?.segment !== undefined].join(' ');
      if (this.#planned.get(id) === now) continue;
      this.#planned.set(id, now);
      for (const port of behind) keys.push(portKey(port));
    }
    return keys;
  }
}
