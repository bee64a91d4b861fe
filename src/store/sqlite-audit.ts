import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import type {
  AuditBatch,
  AuditBounds,
  AuditEntry,
  AuditExtent,
  AuditFilter,
  AuditForgotten,
  AuditLog,
  AuditRow,
  AuditSlice,
  AuditSort,
} from './audit-contract.ts';
import { isAsked } from './audit-contract.ts';
import { AuditSorts, NO_TENANT } from './sqlite-audit-sorts.ts';

/** Ids that one step of a read looks at, rows that one step of a watch gives, and that one step forgets. */
const STEP = { look: 20_000, watch: 256, forget: 1000 } as const;
/** What a row takes besides its record, about. */
const ROW_BYTES = 160;

interface Row {
  readonly id: number;
  readonly at: number;
  readonly revision: number | null;
  readonly inside: number;
  readonly record: string;
}

interface Options {
  readonly db: DatabaseSync;
  readonly now: () => number;
  /** Does the work, or throws what is wrong with the store. */
  readonly guard: <T>(work: () => T) => T;
}

/** The audit log in the object store's file. */
export class SqliteAudit implements AuditLog {
  readonly #db: DatabaseSync;
  readonly #now: () => number;
  readonly #guard: Options['guard'];
  readonly #sql: ReturnType<typeof statements>;
  /** Reads, by which filters they have. */
  readonly #reads = new Map<string, StatementSync>();
  readonly #sorts: AuditSorts;
  /** When the first row was appended; undefined: there was none. */
  #beganAt: number | undefined;
  #last: number;
  #at: number;
  #closed = false;
  #news = Promise.withResolvers<void>();

  constructor({ db, now, guard }: Options) {
    this.#db = db;
    this.#now = now;
    this.#guard = guard;
    this.#sql = statements(db);
    this.#sorts = new AuditSorts(db);
    const last = this.#sql.last.get() as { id: number; at: number } | undefined;
    // The last ones may be forgotten.
    const forgotten = this.#sorts.all().map((sort) => sort.forgotten);
    this.#last = forgotten.reduce((most, { id }) => Math.max(most, id), last?.id ?? 0);
    this.#at = forgotten.reduce((most, { atMs }) => Math.max(most, atMs), last?.at ?? 0);
    this.#beganAt = (this.#sql.began.get() as { at: number } | undefined)?.at;
  }

  async append(rows: readonly AuditRow[]): Promise<void> {
    this.#guard(() => this.#inTransaction(() => this.write(rows, undefined, this.#now())));
    this.wake();
  }

  /** Within a transaction of the caller's, who undoes it with `keep` and calls `wake` after it. */
  write(rows: readonly AuditRow[], revision: bigint | undefined, nowMs: number): void {
    this.#at = Math.max(this.#at, Math.floor(nowMs));
    if (this.#beganAt === undefined && rows.length > 0) {
      this.#beganAt = this.#at;
      this.#sql.begin.run(this.#at);
    }
    const grown = new Map<string, { sort: AuditSort; bytes: number }>();
    for (const { refused, inside, who, tenant, kind, object, name, request, record } of rows) {
      const about = [kind, object, name, request].map((value) => value ?? null);
      const of = [refused ? 1 : 0, tenant ?? NO_TENANT, who, inside ? 1 : 0] as const;
      this.#sql.insert.run(++this.#last, this.#at, revision ?? null, ...of, ...about, record);
      const sort = { refused, tenant };
      const key = `${refused} ${tenant}`;
      const bytes = (grown.get(key)?.bytes ?? 0) + ROW_BYTES + Buffer.byteLength(record);
      grown.set(key, { sort, bytes });
    }
    for (const { sort, bytes } of grown.values()) {
      const kept = this.#sorts.of(sort);
      this.#sorts.set({ ...kept, bytes: kept.bytes + bytes });
    }
  }

  /** What is kept in memory beside the file; called, it is as it was, for a transaction that is rolled back. */
  keep(): () => void {
    const [beganAt, last, at] = [this.#beganAt, this.#last, this.#at];
    const undo = this.#sorts.keep();
    return () => {
      undo();
      this.#beganAt = beganAt;
      this.#last = last;
      this.#at = at;
    };
  }

  async read(
    filter: AuditFilter,
    { limit, after, before }: AuditSlice,
  ): Promise<{ entries: AuditEntry[]; at: number }> {
    const { first, end } = this.#guard(() => this.#span(filter));
    const isUpward = after !== undefined;
    const low = Math.max(first - 1, after ?? 0);
    const high = Math.min(end, before ?? end);
    const rows: Row[] = [];
    for (let at = isUpward ? low : high; ; await setImmediate()) {
      const [from, to] = isUpward ? [at, Math.min(high, at + STEP.look + 1)] : [Math.max(low, at - STEP.look - 1), at];
      rows.push(...this.#guard(() => this.#look(filter, { from, to, limit: limit - rows.length, isUpward })));
      const last = rows.at(-1)?.id;
      if (rows.length >= limit && last !== undefined) return { entries: rows.map(entryOf), at: last };
      at = isUpward ? to - 1 : from + 1;
      if (isUpward ? to >= high : from <= low) return { entries: rows.map(entryOf), at: Math.max(at, 0) };
    }
  }

  async *watch(filter: AuditFilter, after: number, signal?: AbortSignal): AsyncGenerator<AuditBatch> {
    // Not a race of promises: racing one that lives as long as the watch would keep a little of every record.
    const wake = () => this.wake();
    signal?.addEventListener('abort', wake);
    try {
      let next = Math.max(after, this.#closed ? 0 : this.#guard(() => this.#span(filter).first) - 1);
      for (;;) {
        // Taken before looking, so that what happens between the look and the wait is not missed.
        const news = this.#news.promise;
        if (this.#closed || signal?.aborted) return;
        const forgottenAtMs = this.#forgottenBeyond(filter, next);
        const { entries, at } = await this.read(filter, { after: next, limit: STEP.watch });
        if (entries.length > 0 || forgottenAtMs !== undefined)
          yield { entries, ...(forgottenAtMs !== undefined && { forgottenAtMs }) };
        next = Math.max(next, at);
        if (entries.length < STEP.watch) await news;
      }
    } finally {
      signal?.removeEventListener('abort', wake);
    }
  }

  async extent(): Promise<AuditExtent> {
    return { beganAtMs: this.#beganAt, last: this.#last, sorts: this.#sorts.all() };
  }

  async forget(
    { olderThanMs, bytes: most, upTo, ...sort }: AuditBounds,
    tell: (forgotten: AuditForgotten) => AuditRow,
  ): Promise<AuditForgotten | undefined> {
    const told = this.#guard(() =>
      this.#inTransaction(() => {
        const kept = this.#sorts.of(sort);
        const of = [sort.tenant ?? NO_TENANT, sort.refused ? 1 : 0, kept.forgotten.id] as const;
        const oldest = this.#sql.oldest.all(...of, STEP.forget) as unknown as (Row & { size: number })[];
        let { bytes } = kept;
        const gone = oldest.filter(({ id, at, size }) => {
          if (id > upTo || (at >= olderThanMs && bytes <= most)) return false;
          bytes -= size;
          return true;
        });
        const [first, last] = [gone[0], gone.at(-1)];
        if (!first || !last) return undefined;
        this.#sql.forget.run(...of, last.id);
        const count = kept.forgotten.count + gone.length;
        this.#sorts.set({ ...kept, bytes, forgotten: { count, id: last.id, atMs: last.at } });
        const done = { count: gone.length, firstAtMs: first.at, lastAtMs: last.at };
        this.write([tell(done)], undefined, this.#now());
        if (this.#sorts.of(sort).bytes === 0) this.#sorts.fold(sort);
        return done;
      }),
    );
    if (told) this.wake();
    return told;
  }

  /** Resolves what waits for news. */
  wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }
  close(): void {
    this.#closed = true;
    this.wake();
  }

  #inTransaction<T>(work: () => T): T {
    const undo = this.keep();
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.#db.exec('COMMIT');
      return result;
    } catch (e) {
      undo();
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw e;
    }
  }

  /** When the newest was appended of what a filter may ask for and was forgotten behind an id; undefined if none was. */
  #forgottenBeyond(filter: AuditFilter, beyond: number): number | undefined {
    const times = this.#sorts
      .all()
      .filter((sort) => isAsked(filter, sort) && sort.forgotten.id > beyond)
      .map(({ forgotten }) => forgotten.atMs);
    return times.length === 0 ? undefined : Math.max(...times);
  }

  /** The first id that is late enough, and the one behind the last that is early enough. */
  #span({ sinceMs, untilMs }: AuditFilter): { first: number; end: number } {
    const end = untilMs === undefined ? this.#last + 1 : this.#firstFrom(untilMs);
    return { first: sinceMs === undefined ? 1 : this.#firstFrom(sinceMs), end };
  }

  /** The id of the first row that is not earlier; one more than the last if there is none. */
  #firstFrom(atMs: number): number {
    let [low, high] = [1, this.#last + 1];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const row = this.#sql.next.get(middle) as { id: number; at: number } | undefined;
      if (row && row.at < atMs) low = row.id + 1;
      else high = middle;
    }
    return (this.#sql.next.get(high) as { id: number } | undefined)?.id ?? this.#last + 1;
  }

  /** Rows between two ids, both excluded. */
  #look(
    filter: AuditFilter,
    { from, to, limit, isUpward }: { from: number; to: number; limit: number; isUpward: boolean },
  ): Row[] {
    const { texts, values } = conditionsOf(filter);
    const text = `
      SELECT id, at, revision, inside, record FROM audit
      WHERE ${['id > ?', 'id < ?', ...texts].join(' AND ')} ORDER BY id ${isUpward ? 'ASC' : 'DESC'} LIMIT ?`;
    const statement = this.#reads.get(text) ?? this.#db.prepare(text);
    this.#reads.set(text, statement);
    return statement.all(from, to, ...values, limit) as unknown as Row[];
  }
}

function conditionsOf({ tenants, who, inside, kind, object, refused, request }: AuditFilter) {
  const conditions: readonly (readonly [text: string, ...values: (string | number)[]])[] = [
    ...(tenants ? [['tenant IN (SELECT value FROM json_each(?))', JSON.stringify(tenants)] as const] : []),
    // "alice" is in "user:alice".
    ...(who !== undefined ? [['(who = ? OR substr(who, instr(who, ?) + 1) = ?)', who, ':', who] as const] : []),
    ...(inside ? [['inside = 1'] as const] : []),
    ...(kind !== undefined ? [['kind = ?', kind] as const] : []),
    ...(object !== undefined ? [['(object = ? OR name = ?)', object, object] as const] : []),
    ...(refused !== undefined ? [['refused = ?', refused ? 1 : 0] as const] : []),
    ...(request !== undefined ? [['request = ?', request] as const] : []),
  ];
  return { texts: conditions.map(([text]) => text), values: conditions.flatMap(([, ...values]) => values) };
}

const entryOf = ({ id, at, revision, inside, record }: Row): AuditEntry => ({
  id,
  atMs: at,
  revision: revision === null ? undefined : BigInt(revision),
  inside: inside === 1,
  record,
});

const statements = (db: DatabaseSync) => ({
  began: db.prepare('SELECT at FROM audit_began'),
  begin: db.prepare('INSERT INTO audit_began VALUES (?)'),
  last: db.prepare('SELECT id, at FROM audit ORDER BY id DESC LIMIT 1'),
  next: db.prepare('SELECT id, at FROM audit WHERE id >= ? ORDER BY id LIMIT 1'),
  insert: db.prepare('INSERT INTO audit VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
  oldest: db.prepare(`
    SELECT id, at, octet_length(record) + ${ROW_BYTES} AS size FROM audit
    WHERE tenant = ? AND refused = ? AND id > ? ORDER BY id LIMIT ?`),
  forget: db.prepare('DELETE FROM audit WHERE tenant = ? AND refused = ? AND id > ? AND id <= ?'),
});
