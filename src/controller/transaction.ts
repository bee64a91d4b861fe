import type { Compare, Op } from '../store/contract.ts';
import type { Draft } from './draft.ts';

/** One write of a sequence, as it was decided on a copy of the world. */
export interface Step extends Pick<Draft, 'compare' | 'ops'> {
  /** The revision that it has in the copy. */
  readonly revision: bigint;
  /** Steps of the same sort that follow each other are one transaction. */
  readonly sort: string;
}

/** A transaction of the sequence that was committed, and the store's revision of it. */
export interface Committed {
  readonly transaction: Transaction;
  readonly revision: bigint;
}

/** Steps that are written at once: what they ask of the store, not of each other. */
export class Transaction {
  readonly steps: Step[];
  /** The revision of which the copy was made. */
  readonly #base: bigint;
  /** What it writes, in order, once somebody has asked. */
  #keys: readonly string[] | undefined;

  constructor(base: bigint, first: Step) {
    this.#base = base;
    this.steps = [first];
  }

  /** By key: what is said last of a key is what happens to it. */
  get ops(): Op[] {
    return [...new Map(this.steps.flatMap(({ ops }) => ops.map((op) => [keyOf(op), op] as const))).values()];
  }

  /**
   * The conditions, those on the copy's revisions turned into such on the store's.
   * @param before what was committed of the sequence, in its order
   * @returns undefined if others wrote in between where that cannot be told from the sequence's own writes
   */
  compare(before: readonly Committed[]): Compare[] | undefined {
    const own = new Set<string>();
    const out: Compare[] = [];
    for (const { compare, ops } of this.steps) {
      for (const c of compare) {
        if ('key' in c && own.has(c.key)) continue; // decided on what this very transaction writes
        const inStore = this.#inStore(c, own, before);
        if (!inStore) return undefined;
        out.push(inStore);
      }
      for (const op of ops) own.add(keyOf(op));
    }
    return out;
  }

  #inStore(c: Compare, own: ReadonlySet<string>, before: readonly Committed[]): Compare | undefined {
    if ('modRevision' in c) return { ...c, modRevision: this.#revisionOf(c.modRevision, before) };
    if ('empty' in c && [...own].some((key) => key.startsWith(c.prefix)))
      return this.#inStore({ prefix: c.prefix, quietSince: this.#base }, own, before);
    if (!('quietSince' in c)) return c;
    const wrote = before.findLast(({ transaction }) => transaction.writes(c.prefix));
    if (!wrote) return { ...c, quietSince: this.#base };
    const alone = before.every(({ revision }, i) => revision === this.#base + BigInt(i) + 1n);
    return alone ? { ...c, quietSince: wrote.revision } : undefined;
  }

  /** The store's revision for one of the copy's. */
  #revisionOf(revision: bigint, before: readonly Committed[]): bigint {
    if (revision <= this.#base) return revision;
    return before.find(({ transaction }) => revision <= transaction.steps.at(-1)!.revision)!.revision;
  }

  /** It writes a key that begins so. All steps are there when this is asked first. Cost: one search. */
  writes(prefix: string): boolean {
    this.#keys ??= this.steps.flatMap(({ ops }) => ops.map(keyOf)).sort();
    let [low, high] = [0, this.#keys.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#keys[middle]! < prefix) low = middle + 1;
      else high = middle;
    }
    return this.#keys[low]?.startsWith(prefix) ?? false;
  }
}

/** The key that it writes. */
export const keyOf = (op: Op): string => ('put' in op ? op.put.key : op.delete);
