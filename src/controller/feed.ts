import { hostItem, hostKeys, type Snapshot } from '../compile/compile-host.ts';
import type { Changes, HostItem, ItemKey } from '../model/host-state.ts';
import type { Outbox } from './publisher.ts';

/** Items in one message. */
export const CHUNK = 1000;
/** While more than this is unsent the feed waits, and what changes meanwhile is coalesced by key. */
const HIGH_WATER_BYTES = 1 << 20;

/** Where a feed writes. */
interface FeedSocket {
  /** Bytes handed over and not yet sent. */
  buffered(): number;
  /** `sent` is called when the message is out, or the socket is gone. */
  send(text: string, sent: () => void): void;
}

/**
 * One host's stream of changes: first the whole state, then what is marked. It holds keys, not items: an item is read
 * from the world when it is sent, so a slow host costs one key for each object and always gets the latest.
 */
export class Feed implements Outbox {
  readonly #world: Snapshot & { readonly revision: bigint };
  readonly #host: string;
  readonly #socket: FeedSocket;
  #dirty = new Set<ItemKey>();
  /** A message is owed, even if no item changed. */
  #due = false;
  #scheduled = false;
  #stopped = false;

  constructor(world: Snapshot & { readonly revision: bigint }, host: string, socket: FeedSocket) {
    this.#world = world;
    this.#host = host;
    this.#socket = socket;
  }

  /** Marks the whole state; the first flush carries it as a snapshot. */
  start(): void {
    this.mark(hostKeys(this.#world, this.#host));
  }
  stop(): void {
    this.#stopped = true;
    this.#dirty.clear();
  }
  mark(keys: Iterable<ItemKey>): void {
    for (const key of keys) this.#dirty.add(key);
    this.#due = true;
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    // After the turn that applied the change, so that several revisions of one turn go out as one message.
    setImmediate(() => this.#flush());
  }

  #flush(): void {
    this.#scheduled = false;
    while (this.#due && !this.#stopped) {
      if (this.#socket.buffered() > HIGH_WATER_BYTES) return; // the callback of the last message comes back here
      const keys: ItemKey[] = [];
      for (const key of this.#dirty) {
        if (keys.length === CHUNK) break;
        keys.push(key);
        this.#dirty.delete(key);
      }
      this.#due = this.#dirty.size > 0;
      this.#socket.send(JSON.stringify(this.#changes(keys)), () => this.#due && this.#flush());
    }
  }

  #changes(keys: readonly ItemKey[]): Changes {
    const upserts: HostItem[] = [];
    const deletes: ItemKey[] = [];
    for (const key of keys) {
      const item = hostItem(this.#world, this.#host, key);
      if (item) upserts.push(item);
      else deletes.push(key);
    }
    return { type: 'changes', revision: String(this.#world.revision), upserts, deletes, synced: !this.#due };
  }
}
