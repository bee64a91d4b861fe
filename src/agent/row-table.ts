import { type MapRow, rowKey } from '../compile/map-row.ts';
import type { MapName } from '../datapath/layouts.ts';
import type { ItemKey } from '../model/host-state.ts';
import type { NetworkId } from '../model/ids.ts';

/** The maps as the table needs them; the real ones are `kernel/bpf`. */
export interface RowSink {
  put(row: MapRow): void;
  remove(map: MapName, key: Uint8Array): void;
}

/** Who a row came from: an item of the host state, what several items of a network make together, or the host itself. */
export type RowOwner = ItemKey | `flood/${NetworkId}` | 'self';

/**
 * Rows of the BPF maps, desired against actual. Each owner states all its rows at once. A row that nobody ever owned in
 * this process (left by an earlier agent) is an orphan: it is removed only when the caller says that the state is whole.
 */
export class RowTable {
  readonly #desired = new Map<string, MapRow>();
  readonly #owner = new Map<string, RowOwner>();
  readonly #owned = new Map<RowOwner, string[]>();
  #actual = new Map<string, MapRow>();
  /** Keys to look at in the next `apply`. */
  readonly #dirty = new Set<string>();
  #orphansLeft = false;

  /** Takes what the maps hold now as the actual state: at start, and to find drift. Returns how many rows differ from what this table believed. */
  adopt(rows: Iterable<MapRow>): number {
    const found = new Map<string, MapRow>();
    for (const row of rows) found.set(rowKey(row.map, row.key), row);
    let drift = 0;
    const differs = (key: string): void => {
      drift++;
      if (this.#desired.has(key)) this.#dirty.add(key);
    };
    for (const [key, row] of found) if (!same(row, this.#actual.get(key))) differs(key);
    for (const key of this.#actual.keys()) if (!found.has(key)) differs(key);
    this.#actual = found;
    this.#orphansLeft = true;
    return drift;
  }

  /** States the rows of an owner; those it stated before and not now are to go. */
  state(owner: RowOwner, rows: readonly MapRow[]): void {
    const keys = rows.map((row) => rowKey(row.map, row.key));
    for (const key of this.#owned.get(owner) ?? []) {
      if (this.#owner.get(key) !== owner) continue;
      this.#desired.delete(key);
      this.#owner.delete(key);
      this.#dirty.add(key);
    }
    for (const [i, key] of keys.entries()) {
      this.#desired.set(key, rows[i]!);
      this.#owner.set(key, owner);
      this.#dirty.add(key);
    }
    if (keys.length > 0) this.#owned.set(owner, keys);
    else this.#owned.delete(owner);
  }

  /**
   * Makes the maps hold what is desired. Removals go first where a map may be full, so a failed put is tried again after
   * them. Returns what still fails, by owner; those rows stay pending.
   */
  apply(sink: RowSink, options: { whole: boolean }): Map<RowOwner, unknown> {
    if (options.whole && this.#orphansLeft) {
      for (const key of this.#actual.keys()) if (!this.#desired.has(key)) this.#dirty.add(key);
      this.#orphansLeft = false;
    }
    const puts: string[] = [];
    for (const key of this.#dirty) {
      const want = this.#desired.get(key);
      if (want) puts.push(key);
      else this.#remove(key, sink);
    }
    this.#dirty.clear();
    const failed = new Map<RowOwner, unknown>();
    for (const key of puts) {
      const want = this.#desired.get(key)!;
      if (same(want, this.#actual.get(key))) {
        this.#actual.set(key, want); // one copy in memory is enough
        continue;
      }
      try {
        sink.put(want);
        this.#actual.set(key, want);
      } catch (cause) {
        failed.set(this.#owner.get(key)!, cause);
        this.#dirty.add(key);
      }
    }
    return failed;
  }

  /** Rows desired and rows believed to be in the maps. */
  get size(): { desired: number; actual: number } {
    return { desired: this.#desired.size, actual: this.#actual.size };
  }

  /** Rows believed to be in each map. Cost: all rows. */
  get sizes(): Map<MapName, number> {
    const sizes = new Map<MapName, number>();
    for (const { map } of this.#actual.values()) sizes.set(map, (sizes.get(map) ?? 0) + 1);
    return sizes;
  }

  #remove(key: string, sink: RowSink): void {
    const have = this.#actual.get(key);
    if (!have) return;
    sink.remove(have.map, have.key);
    this.#actual.delete(key);
  }
}

const same = (a: MapRow | undefined, b: MapRow | undefined): boolean =>
  a !== undefined && b !== undefined && Buffer.compare(a.value, b.value) === 0;
