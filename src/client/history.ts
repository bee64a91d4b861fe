import type { Difference, ObjectHistory, Rollback } from '../model/history.ts';
import type { Kind } from '../model/kinds.ts';
import type { CallOptions, Connection } from './connection.ts';
import { pathOf } from './path.ts';

/** A rollback may write thousands of objects. */
const rollbackMs = 120_000;

/** Which entries of a history. */
export interface HistoryOptions extends CallOptions {
  /** Of kinds that belong to one. */
  readonly tenant?: string | undefined;
  /** Most entries in the answer. */
  readonly limit?: number | undefined;
  /** Only what was written before this revision: the `next` of the page before. */
  readonly before?: string | undefined;
}
/** Which changes. */
export interface DiffOptions extends CallOptions {
  /** Whose objects; default: everybody's. */
  readonly tenant?: string | undefined;
  /** Most changes in the answer. */
  readonly limit?: number | undefined;
}
/** How it goes back. */
export interface RollbackOptions extends CallOptions {
  /** Whose objects; default: everybody's. */
  readonly tenant?: string | undefined;
  /** Say what it would do, and write nothing. */
  readonly dryRun?: boolean | undefined;
  /** Wait so long for the hosts to apply the writes. */
  readonly waitMs?: number | undefined;
}

/** What was. A moment is a revision, a time as 2026-01-31T08:00:00Z, or how long ago, as 90m. */
export interface HistoryClient {
  /** What has become of an object, the newest first; also of one that is gone, and of all that had its name. */
  history(kind: Kind, nameOrId: string, options?: HistoryOptions): Promise<ObjectHistory>;
  /** What is different now from what was at a moment. @throws COMPACTED, REVISION_UNKNOWN */
  diff(since: string, options?: DiffOptions): Promise<Difference>;
  /** Brings what users wrote back to what it was at a moment, all of it or nothing. @throws ROLLBACK_REFUSED, COMPACTED, REVISION_UNKNOWN */
  rollback(to: string, options?: RollbackOptions): Promise<Rollback>;
}

/** Asked over a connection. */
export const historyClient = ({ request }: Connection): HistoryClient => ({
  history: (kind, ref, { tenant, signal, deadlineMs, ...query } = {}) =>
    request('GET', `${pathOf(kind, tenant, ref)}/history`, { query, signal, deadlineMs }) as Promise<ObjectHistory>,
  diff: (since, { signal, deadlineMs, ...query } = {}) =>
    request('GET', '/v1/diff', { query: { since, ...query }, signal, deadlineMs }) as Promise<Difference>,
  rollback: (to, { waitMs, signal, deadlineMs = rollbackMs + (waitMs ?? 0), ...options } = {}) =>
    request('POST', '/v1/rollback', {
      query: { waitMs },
      body: { to, ...options },
      signal,
      deadlineMs,
    }) as Promise<Rollback>,
});
