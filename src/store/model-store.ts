import type { Batch, Compare, Entry, Op, TxnResult, Version } from './contract.ts';

/** The contract in the simplest form: every revision's whole state, for tests to compare drivers with. */
export class ModelStore {
  readonly #states: ReadonlyMap<string, Entry>[] = [new Map()];
  /** When each revision was written; the empty beginning was ever there. */
  readonly #times: number[] = [0];

  get revision(): bigint {
    return BigInt(this.#states.length - 1);
  }

  txn({ compare, ops }: { compare: readonly Compare[]; ops: readonly Op[] }, nowMs = 0): TxnResult {
    const now = this.#states.at(-1)!;
    const failed = compare.findIndex((c) => !holds(now, c));
    if (failed >= 0) return { committed: false, failed, revision: this.revision };
    const next = new Map(now);
    let changed = false;
    const revision = this.revision + 1n;
    for (const op of ops) {
      if ('delete' in op) changed = next.delete(op.delete) || changed;
      else {
        const { key, value } = op.put;
        const createRevision = now.get(key)?.createRevision ?? revision;
        next.set(key, { key, value, createRevision, modRevision: revision });
        changed = true;
      }
    }
    if (changed) this.#times.push(Math.max(this.#times.at(-1)!, nowMs));
    if (changed) this.#states.push(next);
    return { committed: true, revision: this.revision };
  }

  range(prefix: string, revision: bigint): Entry[] {
    const entries = [...this.#states[Number(revision)]!.values()].filter((e) => e.key.startsWith(prefix));
    return entries.sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  revisionAt(atMs: number): bigint {
    return BigInt(this.#times.findLastIndex((t) => t <= atMs));
  }

  versions(key: string): Version[] {
    const all = this.batches(key, 1n).flatMap(({ revision, changes }) =>
      changes
        .filter((c) => c.key === key)
        .map(({ value }) => ({ revision, value, atMs: this.#times[Number(revision)] })),
    );
    return all.reverse();
  }

  batches(prefix: string, from: bigint): Batch[] {
    const out: Batch[] = [];
    for (let r = Math.max(1, Number(from)); r < this.#states.length; r++) {
      const [before, after] = [this.#states[r - 1]!, this.#states[r]!];
      const written = [...new Set([...before.keys(), ...after.keys()])]
        .filter((key) => key.startsWith(prefix) && before.get(key)?.modRevision !== after.get(key)?.modRevision)
        .sort();
      const changes = written.map((key) => ({
        key,
        value: after.get(key)?.value,
        previous: before.get(key)?.value,
      }));
      if (changes.length > 0) out.push({ revision: BigInt(r), changes });
    }
    return out;
  }
}

function holds(state: ReadonlyMap<string, Entry>, c: Compare): boolean {
  if ('quietSince' in c)
    return [...state.values()].every((e) => !e.key.startsWith(c.prefix) || e.modRevision <= c.quietSince);
  if ('prefix' in c) return [...state.keys()].every((key) => !key.startsWith(c.prefix));
  const entry = state.get(c.key);
  return 'exists' in c ? c.exists === (entry !== undefined) : (entry?.modRevision ?? 0n) === c.modRevision;
}
