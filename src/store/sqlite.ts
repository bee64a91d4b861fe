import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { HeddleError } from '../model/errors.ts';
import {
  type Batch,
  type Compare,
  type Entry,
  type Extent,
  type Op,
  prefixEnd,
  type RangeOptions,
  type Store,
  type Txn,
  type TxnResult,
  type Version,
  type VersionOptions,
} from './contract.ts';
import { SqliteAudit } from './sqlite-audit.ts';
import { explain, openDatabase } from './sqlite-schema.ts';

/** Log rows read at once by a watch. */
const WATCH_ROWS = 1000;

interface LogRow {
  revision: bigint;
  key: string;
  value: string | null;
  created: bigint;
  at: bigint | null;
}

interface Counter {
  revision: bigint;
  oldest: bigint;
  past: bigint;
  oldest_at: bigint | null;
}

/**
 * The embedded store: one SQLite file, one process. Calls run in this thread; a commit costs one fsync (0.1 ms on a good
 * disk, some ms on a bad one).
 * @param now the clock that revisions get their times from, milliseconds since 1970
 * @throws STORE_BROKEN if the file cannot be used
 */
export async function openSqlite(path: string, now: () => number = Date.now): Promise<Store> {
  return new SqliteStore(path, now);
}

class SqliteStore implements Store {
  readonly audit: SqliteAudit;
  readonly #path: string;
  readonly #db: DatabaseSync;
  readonly #sql: ReturnType<typeof statements>;
  readonly #now: () => number;
  #revision: bigint;
  #oldest: bigint;
  #oldestAt: bigint | null;
  #past: bigint;
  /** When the current revision was written. */
  #at: bigint;
  #closed = false;
  /** Resolved at each commit and at closing: the signal that waiting watches look at the log again. */
  #news = Promise.withResolvers<void>();

  constructor(path: string, now: () => number) {
    this.#path = path;
    this.#now = now;
    this.#db = openDatabase(path);
    this.#sql = statements(this.#db);
    const counter = this.#sql.counter.get() as unknown as Counter;
    this.#revision = counter.revision;
    this.#oldest = counter.oldest;
    this.#oldestAt = counter.oldest_at;
    this.#past = counter.past;
    this.#at = this.#atOf(this.#revision) ?? 0n;
    this.audit = new SqliteAudit({ db: this.#db, now, guard: (work) => this.#guard(work) });
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

  async txn({ compare = [], ops, audit = [] }: Txn): Promise<TxnResult> {
    const keys = ops.map((op) => ('put' in op ? op.put.key : op.delete));
    if (new Set(keys).size < keys.length)
      throw new HeddleError('INTERNAL', { problem: 'a transaction writes a key twice' });
    return this.#guard(() => {
      const failed = compare.findIndex((c) => !this.#holds(c));
      if (failed >= 0) return { committed: false, failed, revision: this.#revision };
      const revision = this.#revision + 1n;
      const read = BigInt(Math.floor(this.#now()));
      const at = read > this.#at ? read : this.#at;
      let past = this.#past;
      const undo = this.audit.keep();
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        let changed = false;
        for (const op of ops) {
          const became = this.#write(op, revision, at);
          if (became === undefined) continue;
          changed = true;
          past += became;
        }
        if (changed) this.#sql.bump.run(revision, past);
        if (changed) this.audit.write(audit, revision, Number(at));
        this.#db.exec('COMMIT');
        if (!changed) return { committed: true, revision: this.#revision };
      } catch (e) {
        undo();
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw e;
      }
      this.#revision = revision;
      this.#at = at;
      this.#past = past;
      this.#wake();
      this.audit.wake();
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

  async versions(key: string, { limit, before }: VersionOptions = {}): Promise<Version[]> {
    return this.#guard(() => {
      const rows = this.#sql.versions.all(key, before ?? this.#revision + 1n, limit ?? -1) as unknown as LogRow[];
      return rows.map(({ revision, value, at }) => ({ revision, value: value ?? undefined, atMs: msOf(at) }));
    });
  }

  async revisionAt(atMs: number): Promise<bigint | undefined> {
    return this.#guard(() => {
      let [low, high] = [this.#oldest, this.#revision];
      if ((msOf(this.#oldestAt) ?? atMs) > atMs) return undefined;
      // The last one not written later; those without a time are older than all that have one.
      while (low < high) {
        const middle = (low + high + 1n) / 2n;
        if ((msOf(this.#atOf(middle)) ?? atMs) > atMs) high = middle - 1n;
        else low = middle;
      }
      return this.#atOf(low) === null ? undefined : low;
    });
  }

  async writtenAt(revision: bigint): Promise<number | undefined> {
    return this.#guard(() => {
      this.#refuseCompacted(revision);
      return msOf(this.#atOf(revision));
    });
  }

  async extent(): Promise<Extent> {
    return this.#guard(() => ({
      revision: this.#revision,
      oldest: this.#oldest,
      oldestAtMs: msOf(this.#oldestAt),
      pastBytes: Number(this.#past),
    }));
  }

  async compact(revision: bigint): Promise<void> {
    const to = revision < this.#revision ? revision : this.#revision;
    if (to <= this.#oldest) return;
    this.#guard(() => {
      const at = this.#atOf(to);
      let past = this.#past;
      this.#db.exec('BEGIN IMMEDIATE');
      try {
        for (const forget of [this.#sql.forget, this.#sql.forgetDeletes])
          for (const row of forget.all(this.#oldest, to)) past -= (row as { size: bigint }).size;
        this.#sql.setOldest.run(to, at, past);
        this.#db.exec('COMMIT');
      } catch (e) {
        if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
        throw e;
      }
      this.#oldest = to;
      this.#oldestAt = at;
      this.#past = past;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#wake();
    this.audit.close();
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

  /** The bytes that are past by it; undefined if it changed nothing. */
  #write(op: Op, revision: bigint, at: bigint): bigint | undefined {
    if ('delete' in op) {
      const gone = this.#sql.delete.get(op.delete) as { size: bigint } | undefined;
      if (!gone) return undefined;
      this.#sql.log.run(revision, op.delete, null, 0n, at);
      return gone.size + BigInt(op.delete.length);
    }
    const { key, value } = op.put;
    const before = this.#sql.size.get(key) as { size: bigint } | undefined;
    const { created } = this.#sql.put.get(key, value, revision, revision) as { created: bigint };
    this.#sql.log.run(revision, key, value, created, at);
    return before?.size ?? 0n;
  }

  /** When a revision from the oldest on was written; null if that is not known. */
  #atOf(revision: bigint): bigint | null {
    if (revision === this.#oldest) return this.#oldestAt;
    return (this.#sql.at.get(revision) as { at: bigint | null } | undefined)?.at ?? null;
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

const msOf = (at: bigint | null): number | undefined => (at === null ? undefined : Number(at));

function statements(db: DatabaseSync) {
  const sql = (text: string): StatementSync => {
    const s = db.prepare(text);
    s.setReadBigInts(true);
    return s;
  };
  return {
    counter: sql('SELECT * FROM counter'),
    bump: sql('UPDATE counter SET revision = ?, past = ?'),
    setOldest: sql('UPDATE counter SET oldest = ?, oldest_at = ?, past = ?'),
    at: sql('SELECT at FROM log WHERE revision = ? LIMIT 1'),
    versions: sql('SELECT * FROM log WHERE key = ? AND revision < ? ORDER BY revision DESC LIMIT ?'),
    size: sql('SELECT octet_length(key) + octet_length(value) AS size FROM entry WHERE key = ?'),
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
    delete: sql('DELETE FROM entry WHERE key = ? RETURNING octet_length(key) + octet_length(value) AS size'),
    log: sql('INSERT INTO log VALUES (?, ?, ?, ?, ?)'),
    // The plus signs keep SQLite from walking the index by key, which would cost the whole history.
    since: sql('SELECT * FROM log WHERE revision >= ? AND +key >= ? AND +key < ? ORDER BY revision, key LIMIT ?'),
    ofRevision: sql('SELECT * FROM log WHERE revision = ? AND key >= ? AND key < ? ORDER BY key'),
    previous: sql('SELECT value FROM log WHERE key = ? AND revision < ? ORDER BY revision DESC LIMIT 1'),
    // Both cost what was written between the two revisions, not the whole log.
    forget: sql(`
      DELETE FROM log WHERE (revision, key) IN
        (SELECT l.revision, l.key FROM log n CROSS JOIN log l ON l.key = n.key AND l.revision < n.revision
         WHERE n.revision > ? AND n.revision <= ?)
      RETURNING octet_length(key) + coalesce(octet_length(value), 0) AS size`),
    forgetDeletes: sql(
      'DELETE FROM log WHERE revision > ? AND revision <= ? AND value IS NULL RETURNING octet_length(key) AS size',
    ),
  };
}
