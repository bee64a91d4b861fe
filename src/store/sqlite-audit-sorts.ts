import type { DatabaseSync } from 'node:sqlite';
import type { AuditKept, AuditSort } from './audit-contract.ts';

/** What rows of no tenant have in its place, and what tenants are counted as of which nothing is kept. */
export const NO_TENANT = '-';
const GONE = '';

interface Row {
  readonly refused: number;
  readonly tenant: string;
  readonly bytes: number;
  readonly forgotten: number;
  readonly forgotten_id: number;
  readonly forgotten_at: number;
}

/** How much there is of each sort of rows in the audit log, in memory and in the file; changed within its transactions. */
export class AuditSorts {
  readonly #sql: ReturnType<typeof statements>;
  readonly #kept = new Map<string, AuditKept>();
  /** Those that the transaction under way has changed, as they were. */
  #before = new Map<string, AuditKept | undefined>();

  constructor(db: DatabaseSync) {
    this.#sql = statements(db);
    for (const row of this.#sql.all.all() as unknown as Row[]) {
      const kept = keptOf(row);
      this.#kept.set(keyOf(kept), kept);
    }
  }

  all(): AuditKept[] {
    return [...this.#kept.values()];
  }

  of(sort: AuditSort): AuditKept {
    return this.#kept.get(keyOf(sort)) ?? { ...sort, bytes: 0, forgotten: { count: 0, id: 0, atMs: 0 } };
  }

  set(kept: AuditKept): void {
    const { bytes, forgotten, refused, tenant = NO_TENANT } = kept;
    this.#change(keyOf(kept), kept);
    this.#sql.set.run(refused ? 1 : 0, tenant, bytes, forgotten.count, forgotten.id, forgotten.atMs);
  }

  /** Counts a sort of which nothing is kept with others like it: its tenant may be gone. */
  fold(sort: AuditSort): void {
    const { refused, tenant } = sort;
    if (tenant === undefined || tenant === GONE) return;
    const { forgotten } = this.of(sort);
    const { forgotten: others } = this.of({ refused, tenant: GONE });
    const all = {
      count: others.count + forgotten.count,
      id: Math.max(others.id, forgotten.id),
      atMs: Math.max(others.atMs, forgotten.atMs),
    };
    this.set({ refused, tenant: GONE, bytes: 0, forgotten: all });
    this.#sql.drop.run(refused ? 1 : 0, tenant);
    this.#change(keyOf(sort), undefined);
  }

  /** Called, what is in memory is as it was: for a transaction that is rolled back. */
  keep(): () => void {
    this.#before = new Map();
    return () => {
      for (const [key, kept] of this.#before) this.#put(key, kept);
    };
  }

  #change(key: string, kept: AuditKept | undefined): void {
    if (!this.#before.has(key)) this.#before.set(key, this.#kept.get(key));
    this.#put(key, kept);
  }
  #put(key: string, kept: AuditKept | undefined): void {
    if (kept) this.#kept.set(key, kept);
    else this.#kept.delete(key);
  }
}

const keyOf = ({ refused, tenant = NO_TENANT }: AuditSort): string => `${refused} ${tenant}`;

const keptOf = ({
  refused,
  tenant,
  bytes,
  forgotten: count,
  forgotten_id: id,
  forgotten_at: atMs,
}: Row): AuditKept => ({
  refused: refused === 1,
  tenant: tenant === NO_TENANT ? undefined : tenant,
  bytes,
  forgotten: { count, id, atMs },
});

const statements = (db: DatabaseSync) => ({
  all: db.prepare('SELECT * FROM audit_sort'),
  set: db.prepare('INSERT OR REPLACE INTO audit_sort VALUES (?, ?, ?, ?, ?, ?)'),
  drop: db.prepare('DELETE FROM audit_sort WHERE refused = ? AND tenant = ?'),
});
