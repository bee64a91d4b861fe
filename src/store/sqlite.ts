import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { HeddleError } from '../model/errors.ts';
import {
  type Batch,
  type Compare,
  type Entry,
  type Op,
  prefixEnd,
  type RangeOptions,
  type Store,
  type TxnResult,
} from './contract.ts';
import { explain, openDatabase } from './sqlite-schema.ts';

/** Log rows read at once by a watch. */
const WATCH_ROWS = 1000;

interface LogRow {
  revision: bigint;
  key: string;
  value: string | null;
  created: bigint;
}

/**
 * The embedded store: one SQLite file, one process. Calls run in this thread; a commit costs one fsync (0.1 ms on a good
 * disk, some ms on a bad one).
 * @throws STORE_BROKEN if the file cannot be used
 */
export async function openSqlite(path: string): Promise<Store> {
  return new SqliteStore(path);
}

class SqliteStore implements Store {
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #sql: ReturnType<typeof statements>;
  #revision: bigint;
  #oldest: bigint;
  #closed = false;
  /** Resolved at each commit and at closing: the signal that waiting watches look at the log again. */
  #news = Promise.withResolvers<void>();

  constructor(path: string) {
    this.#path = path;
    this.#db = openDatabase(path);
    this.#sql = statements(this.#db);
    const counter = this.#sql.counter.get() as { revision: bigint; oldest: bigint };
    this.#revision = counter.revision;
    this.#oldest = counter.oldest;
  }

  async get(key: string): Promise<Entry | undefined> {
    return this.#guard(() => entryOf(this.#sql.get.get(key)));
  }

  async range(prefix: string, { limit, after, revision }: RangeOptions = {}) {
    return this.#guard(() => {
      const at = revision ?? this.#revision;
      this.#refuseCompacted(at);
      const from = after !== undefined && after >= prefix ? `${after}\0` : prefix;
      const most = limit ?? -1;
      const rows =
        at >= this.#revision
          ? this.#sql.range.all(from, prefixEnd(prefix), most)
          : this.#sql.rangeAt.all(at, from, prefixEnd(prefix), at, most);
      return { revision: at, entries: rows.map((row) => entryOf(row)!) };
    });
  }

  async txn({ compare = [], ops }: { compare?: readonly Compare[]; ops: readonly Op[] }): Promise<TxnResult> {
    const keys = ops.map((op) => ('put' in op ? op.put.key : op.delete));
    if (new Set(keys).size < keys.length)
      throw new HeddleError('INTERNAL', { problem: 'a transaction writes a key twice' });
    return this.#guard(() => {
      const failed = compare.findIndex((c) => !this.#holds(c));
      if (failed >= 0) return { committed: false, failed, revision: this.#revision };
      const revision = this.#revision + 1n;
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        const changed = ops.filter((op) => this.#write(op, revision)).length > 0;
        if (changed) this.#sql.bump.run(revision);
        this.#db.exec('COMMIT');
        if (!changed) return { committed: true, revision: this.#revision };
      } catch (e) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw e;
      }
      this.#revision = revision;
      this.#wake();
      return { committed: true, revision };
    });
  }

  async *watch(prefix: string, fromRevision: bigint, signal?: AbortSignal): AsyncGenerator<Batch> {
    // Not a race of promises: racing one that lives as long as the watch would keep a little of every commit.
    const wake = () => this.#wake();
    signal?.addEventListener('abort', wake);
    let next = fromRevision > 1n ? fromRevision : 1n;
    try {
      for (;;) {
        // Taken before looking, so that what happens between the look and the wait is not missed: yields take turns.
        const news = this.#news.promise;
        if (this.#closed || signal?.aborted) return;
        this.#refuseCompacted(next - 1n);
        const { batches, upTo } = this.#guard(() => this.#batches(prefix, next));
        yield* batches;
        if (upTo >= next) next = upTo + 1n;
        else await news;
      }
    } finally {
      signal?.removeEventListener('abort', wake);
    }
  }

  async compact(revision: bigint): Promise<void> {
    const to = revision < this.#revision ? revision : this.#revision;
    if (to <= this.#oldest) return;
    this.#guard(() => {
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        this.#sql.forget.run(this.#oldest, to);
        this.#sql.forgetDeletes.run(this.#oldest, to);
        this.#sql.setOldest.run(to);
        this.#db.exec('COMMIT');
      } catch (e) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw e;
      }
      this.#oldest = to;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake();
    this.#db.close();
  }

  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }

  #guard<T>(work: () => T): T {
    if (this.#closed) throw new HeddleError('STORE_BROKEN', { problem: 'it is closed' });
    try {
      return work();
    } catch (e) {
      throw explain(e, this.#path);
    }
  }

  #refuseCompacted(revision: bigint): void {
    if (revision < this.#oldest)
      throw new HeddleError('COMPACTED', { revision: String(revision), oldest: String(this.#oldest) });
  }

  #holds(c: Compare): boolean {
    if ('quietSince' in c) return this.#sql.newer.get(c.prefix, prefixEnd(c.prefix), c.quietSince) === undefined;
    if ('prefix' in c) return this.#sql.any.get(c.prefix, prefixEnd(c.prefix)) === undefined;
    const entry = entryOf(this.#sql.get.get(c.key));
    return 'exists' in c ? c.exists === (entry !== undefined) : (entry?.modRevision ?? 0n) === c.modRevision;
  }

  /** False if it changed nothing. */
  #write(op: Op, revision: bigint): boolean {
    if ('delete' in op) {
      if (this.#sql.delete.run(op.delete).changes === 0n) return false;
      this.#sql.log.run(revision, op.delete, null, 0n);
      return true;
    }
    const { key, value } = op.put;
    const { created } = this.#sql.put.get(key, value, revision, revision) as { created: bigint };
    this.#sql.log.run(revision, key, value, created);
    return true;
  }

  /** The changes from revision `from` on, a bounded part; complete up to revision `upTo`. */
  #batches(prefix: string, from: bigint): { batches: Batch[]; upTo: bigint } {
    // Rows of one transaction must not be split: the last revision of a full page is read again, whole, with the next page.
    const rows = this.#sql.since.all(from, prefix, prefixEnd(prefix), WATCH_ROWS) as unknown as LogRow[];
    const full = rows.length === WATCH_ROWS;
    const last = rows.at(-1)?.revision ?? 0n;
    const whole = full ? rows.filter((r) => r.revision < last) : rows;
    const one = full && whole.length === 0;
    const kept = one ? (this.#sql.ofRevision.all(last, prefix, prefixEnd(prefix)) as unknown as LogRow[]) : whole;
    const grouped = Map.groupBy(kept, (r) => r.revision);
    return {
      batches: [...grouped].map(([revision, group]) => ({ revision, changes: group.map((r) => this.#change(r)) })),
      upTo: one ? last : full ? last - 1n : this.#revision,
    };
  }

  #change(r: LogRow) {
    const before = this.#sql.previous.get(r.key, r.revision) as { value: string | null } | undefined;
    return { key: r.key, value: r.value ?? undefined, previous: before?.value ?? undefined };
  }
}

function entryOf(row: unknown): Entry | undefined {
  if (row === undefined) return undefined;
  const r = row as { key: string; value: string; created: bigint; modified: bigint };
  return { key: r.key, value: r.value, createRevision: r.created, modRevision: r.modified };
}

function statements(db: DatabaseSync) {
  const sql = (text: string): StatementSync => {
    const s = db.prepare(text);
    s.setReadBigInts(true);
    return s;
  };
  return {
    counter: sql('SELECT revision, oldest FROM counter'),
    bump: sql('UPDATE counter SET revision = ?'),
    setOldest: sql('UPDATE counter SET oldest = ?'),
    get: sql('SELECT * FROM entry WHERE key = ?'),
    any: sql('SELECT 1 FROM entry WHERE key >= ? AND key < ? LIMIT 1'),
    newer: sql('SELECT 1 FROM entry WHERE key >= ? AND key < ? AND modified > ? LIMIT 1'),
    range: sql('SELECT * FROM entry WHERE key >= ? AND key < ? ORDER BY key LIMIT ?'),
    rangeAt: sql(`
      SELECT l.key, l.value, l.created, l.revision AS modified FROM log l
      JOIN (SELECT key, max(revision) AS revision FROM log WHERE revision <= ? AND key >= ? AND key < ? GROUP BY key) n
        ON l.key = n.key AND l.revision = n.revision
      WHERE l.value IS NOT NULL AND l.revision <= ? ORDER BY l.key LIMIT ?`),
    put: sql(`INSERT INTO entry VALUES (?, ?, ?, ?)
      ON CONFLICT (key) DO UPDATE SET value = excluded.value, modified = excluded.modified RETURNING created`),
    delete: sql('DELETE FROM entry WHERE key = ?'),
    log: sql('INSERT INTO log VALUES (?, ?, ?, ?)'),
    // The plus signs keep SQLite from walking the index by key, which would cost the whole history.
    since: sql('SELECT * FROM log WHERE revision >= ? AND +key >= ? AND +key < ? ORDER BY revision, key LIMIT ?'),
    ofRevision: sql('SELECT * FROM log WHERE revision = ? AND key >= ? AND key < ? ORDER BY key'),
    previous: sql('SELECT value FROM log WHERE key = ? AND revision < ? ORDER BY revision DESC LIMIT 1'),
    // Both cost what was written between the two revisions, not the whole log.
    forget: sql(`
      DELETE FROM log WHERE (revision, key) IN
        (SELECT l.revision, l.key FROM log n CROSS JOIN log l ON l.key = n.key AND l.revision < n.revision
         WHERE n.revision > ? AND n.revision <= ?)`),
    forgetDeletes: sql('DELETE FROM log WHERE revision > ? AND revision <= ? AND value IS NULL'),
  };
}
