/**
 * What the control plane asks of its audit log: rows that are appended and never changed, in one order, beside the object
 * store. It counts no revisions. Rows of a write come with the write's transaction (`Store.txn`), so that there is either
 * both or none; what was refused is appended by itself.
 */

/** A row before it is appended: what it is found by, and the record. */
export interface AuditRow {
  /** It tells of a refusal: those are bounded and forgotten apart from the rest. */
  readonly refused: boolean;
  /** Id of the tenant that it is of. */
  readonly tenant?: string | undefined;
  /** "user:alice", "host:h1", "root@ctl", "controller". */
  readonly who: string;
  /** Those who read this tenant alone may know who it was. */
  readonly inside: boolean;
  readonly kind?: string | undefined;
  /** Id of the object. */
  readonly object?: string | undefined;
  /** Its name. */
  readonly name?: string | undefined;
  /** Id of the request. */
  readonly request?: string | undefined;
  /** Text that the log does not look into. */
  readonly record: string;
}

/** A row as it is read. */
export interface AuditEntry {
  /** Rises from row to row; rows of one transaction follow each other. */
  readonly id: number;
  /** When it was appended, milliseconds since 1970; never less than that of the row before. */
  readonly atMs: number;
  /** The revision that it came with. */
  readonly revision: bigint | undefined;
  /** As in its row. */
  readonly inside: boolean;
  readonly record: string;
}

/** Which rows; what is not given does not matter. */
export interface AuditFilter {
  readonly sinceMs?: number | undefined;
  /** Before this time. */
  readonly untilMs?: number | undefined;
  /** Of one of these tenants. */
  readonly tenants?: readonly string[] | undefined;
  /** As in a row, or only the name in it. */
  readonly who?: string | undefined;
  /** Only those that are. */
  readonly inside?: true | undefined;
  readonly kind?: string | undefined;
  /** Id or name of the object. */
  readonly object?: string | undefined;
  readonly refused?: boolean | undefined;
  readonly request?: string | undefined;
}

/** Which part of them. Without `after` the newest come first. */
export interface AuditSlice {
  readonly limit: number;
  /** Ids greater than this one, the oldest first. */
  readonly after?: number;
  /** Ids less than this one. */
  readonly before?: number;
}

/** Rows that are bounded together, so that nobody pushes out another's: refusals or the rest, of one tenant or of none. */
export interface AuditSort {
  readonly refused: boolean;
  readonly tenant: string | undefined;
}

/** Such rows, as far as they are kept. */
export interface AuditKept extends AuditSort {
  /** Size of what is kept. */
  readonly bytes: number;
  /** How many were forgotten, the id of the newest of them and when that was appended; 0 if none was. */
  readonly forgotten: { readonly count: number; readonly id: number; readonly atMs: number };
}

/** How far the log reaches. */
export interface AuditExtent {
  /** When the first row was appended, milliseconds since 1970; undefined: there was none. */
  readonly beganAtMs: number | undefined;
  /** Id of the last row; 0: there was none. */
  readonly last: number;
  /** Every sort of which there are rows, or were: those of tenants of which nothing is kept are one, with the tenant "". */
  readonly sorts: readonly AuditKept[];
}

/** What is to be forgotten of one sort: what is older, and of the rest the oldest, until no more is kept than this. */
export interface AuditBounds extends AuditSort {
  readonly olderThanMs: number;
  readonly bytes: number;
  /** Nothing behind this id: so that rows that tell of what was forgotten are not forgotten for each other. */
  readonly upTo: number;
}

/** Rows that a watch gives, in order. */
export interface AuditBatch {
  readonly entries: readonly AuditEntry[];
  /** Some that it had not come to were forgotten before: all that were appended up to this time may be missing. */
  readonly forgottenAtMs?: number;
}

/** What one call of `forget` has forgotten. */
export interface AuditForgotten {
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
}

export interface AuditLog {
  /** All of them, in this order, durable when it resolves. @throws STORE_BROKEN */
  append(rows: readonly AuditRow[]): Promise<void>;
  /** Rows that match, and the id up to which, or down to which, all were looked at. Cost: those looked at, in short turns. */
  read(filter: AuditFilter, slice: AuditSlice): Promise<{ readonly entries: AuditEntry[]; readonly at: number }>;
  /** Rows that match with ids greater than `after`, those that are there and those that come, until `signal` aborts or the store is closed. */
  watch(filter: AuditFilter, after: number, signal?: AbortSignal): AsyncIterable<AuditBatch>;
  extent(): Promise<AuditExtent>;
  /**
   * Forgets a part of what is beyond the bounds, the oldest first, and in the same transaction appends a row that tells of it.
   * Undefined if there was nothing: else there may be more.
   */
  forget(bounds: AuditBounds, tell: (forgotten: AuditForgotten) => AuditRow): Promise<AuditForgotten | undefined>;
}

/** Whether a filter may ask for rows of a sort. */
export const isAsked = ({ refused, tenants }: AuditFilter, sort: AuditSort): boolean =>
  (refused === undefined || refused === sort.refused) &&
  (tenants === undefined || sort.tenant === '' || (sort.tenant !== undefined && tenants.includes(sort.tenant)));
