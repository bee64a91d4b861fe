import type { Kind } from '../model/kinds.ts';
import type { Compare, Op } from '../store/contract.ts';
import { appliedKey, nameKey, objectKey, prefixesKey } from './keys.ts';
import type { AnyRecord, Stored } from './records.ts';
import { scopeOf } from './records.ts';
import type { World } from './world.ts';

/** One conditional write under construction: everything of it happens, or nothing. */
export class Draft {
  readonly compare: Compare[] = [];
  /** By key: what is said last of a key is what happens to it. */
  readonly #ops = new Map<string, Op>();
  /** The objects that it makes, changes and removes: what quotas count. */
  readonly changes: { readonly kind: Kind; readonly before?: AnyRecord; readonly after?: AnyRecord }[] = [];
  /** Keys that this write takes; others in this process avoid them while it is under way. */
  readonly claimed: string[] = [];

  get ops(): Op[] {
    return [...this.#ops.values()];
  }

  /** What it puts under a key; undefined if it does not. */
  valueOf(key: string): string | undefined {
    const op = this.#ops.get(key);
    return op && 'put' in op ? op.put.value : undefined;
  }

  /** Takes a key that nobody has. */
  claim(key: string, owner: string): this {
    this.compare.push({ key, exists: false });
    this.put(key, owner);
    this.claimed.push(key);
    return this;
  }
  release(key: string): this {
    this.#ops.set(key, { delete: key });
    return this;
  }
  require(key: string): this {
    this.compare.push({ key, exists: true });
    return this;
  }
  unchanged(key: string, modRevision: bigint): this {
    this.compare.push({ key, modRevision });
    return this;
  }
  /** No subnet comes to a network, or leaves it. */
  samePrefixes(world: Pick<World, 'prefixesRevision'>, network: string): this {
    return this.unchanged(prefixesKey(network), world.prefixesRevision.get(network) ?? 0n);
  }
  empty(prefix: string): this {
    this.compare.push({ prefix, empty: true });
    return this;
  }
  /** Nothing was claimed under a prefix after the revision on which this was decided. */
  quiet(prefix: string, since: bigint): this {
    this.compare.push({ prefix, quietSince: since });
    return this;
  }
  put(key: string, value: string): this {
    this.#ops.set(key, { put: { key, value } });
    return this;
  }

  /** A new object with its name. */
  create(kind: Kind, record: AnyRecord): this {
    const key = objectKey(kind, record);
    this.changes.push({ kind, after: record });
    return this.claim(nameKey(kind, scopeOf(record), record.name), record.id)
      .unchanged(key, 0n)
      .put(key, JSON.stringify(record));
  }
  /** The next state of an object that is still as it was read. */
  update({ kind, record, revision }: Stored, next: AnyRecord): this {
    const key = objectKey(kind, record);
    this.changes.push({ kind, before: record, after: next });
    if (next.name !== record.name)
      this.release(nameKey(kind, scopeOf(record), record.name)).claim(
        nameKey(kind, scopeOf(record), next.name),
        record.id,
      );
    return this.unchanged(key, revision).put(key, JSON.stringify(next));
  }
  /** With what was kept beside it. */
  remove({ kind, record, revision }: Stored): this {
    const key = objectKey(kind, record);
    this.changes.push({ kind, before: record });
    return this.unchanged(key, revision)
      .release(key)
      .release(appliedKey(kind, record))
      .release(nameKey(kind, scopeOf(record), record.name));
  }
}
