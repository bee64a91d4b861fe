/**
 * What the control plane asks of a store: etcd's semantics in a small form, so that SQLite and etcd can both be behind it.
 *
 * A *revision* counts committed transactions that changed something; every key carries the revision that made it and the
 * one that last wrote it. Keys are printable ASCII paths ("/port/<tenant>/<id>") in byte order, values are text.
 */

import type { AuditLog, AuditRow } from './audit-contract.ts';

/** A key with its value at some revision. */
export interface Entry {
  readonly key: string;
  readonly value: string;
  /** Revision of the write that made the key (anew after a delete). */
  readonly createRevision: bigint;
  /** Revision of the last write. */
  readonly modRevision: bigint;
}

/**
 * A condition of a transaction. A `modRevision` of 0 means: the key is absent. `empty`: no key begins with `prefix`.
 * `quietSince`: of the keys that begin with it, none was written after that revision (deleted ones do not count).
 */
export type Compare =
  | { readonly key: string; readonly modRevision: bigint }
  | { readonly key: string; readonly exists: boolean }
  | { readonly prefix: string; readonly empty: true }
  | { readonly prefix: string; readonly quietSince: bigint };

/** A write of a transaction. Deleting an absent key changes nothing. */
export type Op = { readonly put: { readonly key: string; readonly value: string } } | { readonly delete: string };

export interface Txn {
  readonly compare?: readonly Compare[];
  readonly ops: readonly Op[];
  readonly audit?: readonly AuditRow[];
}

/** `failed` is the index of the first condition that does not hold; `revision` is the store's at that moment. */
export type TxnResult =
  | { readonly committed: true; readonly revision: bigint }
  | { readonly committed: false; readonly failed: number; readonly revision: bigint };

/** One key's change. `value` is undefined for a delete; `previous` is undefined where the key was absent before. */
export interface Change {
  readonly key: string;
  readonly value: string | undefined;
  readonly previous: string | undefined;
}

/** All changes under the watched prefix that one transaction made. */
export interface Batch {
  readonly revision: bigint;
  readonly changes: readonly Change[];
}

/** One write of a key, as history has it. */
export interface Version {
  readonly revision: bigint;
  /** Undefined for a delete. */
  readonly value: string | undefined;
  /** When it was written, milliseconds since 1970; undefined if that was before the store kept times. */
  readonly atMs: number | undefined;
}

/** How far history reaches. */
export interface Extent {
  /** The current revision. */
  readonly revision: bigint;
  /** The first one that can still be read; 0 for the empty beginning. */
  readonly oldest: bigint;
  /** When that one was written, milliseconds since 1970; undefined if nobody knows. */
  readonly oldestAtMs: number | undefined;
  /** Keys and values that are kept besides the present ones. */
  readonly pastBytes: number;
}

export interface VersionOptions {
  /** Most versions to return; default: all. */
  readonly limit?: number;
  /** Only those of earlier revisions than this one. */
  readonly before?: bigint;
}

export interface RangeOptions {
  /** Most entries to return; default: all. */
  readonly limit?: number;
  /** Begin behind this key. */
  readonly after?: string;
  /** Read as of this revision; default: the current one. */
  readonly revision?: bigint;
}

export interface Store extends AsyncDisposable {
  /** What was done, by whom, and what was refused. */
  readonly audit: AuditLog;
  /** The current entry of a key. */
  get(key: string): Promise<Entry | undefined>;
  /** Entries whose keys begin with `prefix`, in key order. @throws COMPACTED */
  range(prefix: string, options?: RangeOptions): Promise<{ readonly revision: bigint; readonly entries: Entry[] }>;
  /**
   * All of `ops` if all of `compare` hold, else nothing. When it resolves as committed the write is durable. A key may be
   * written once in a transaction. `audit` is appended to the audit log in the same transaction, if it changes something.
   * @throws STORE_BROKEN
   */
  txn(txn: Txn): Promise<TxnResult>;
  /**
   * Every change under `prefix` of a revision ≥ `fromRevision`, one batch for each revision, in order and without gaps; it
   * then waits for more, until `signal` aborts or the store is closed. An abort, also one before the call, ends the iteration
   * without an error, soon and not at the end of what there is: who must have all of it looks at the signal. @throws COMPACTED
   */
  watch(prefix: string, fromRevision: bigint, signal?: AbortSignal): AsyncIterable<Batch>;
  /**
   * The kept writes of one key, the newest first. The one that was current at the oldest revision is the last, with the
   * older revision that wrote it. Cost: what is returned.
   */
  versions(key: string, options?: VersionOptions): Promise<Version[]>;
  /**
   * The last revision that was written at or before a time (milliseconds since 1970); undefined if that is compacted, or was
   * before the store kept times. A revision is never written earlier than the one before it, whatever the clock does.
   */
  revisionAt(atMs: number): Promise<bigint | undefined>;
  /** When a kept revision was written; undefined if nobody knows. @throws COMPACTED */
  writtenAt(revision: bigint): Promise<number | undefined>;
  extent(): Promise<Extent>;
  /** Forget what was before `revision`; reads and watches of older revisions are refused from now on. */
  compact(revision: bigint): Promise<void>;
}

/** The first key behind all that begin with `prefix`. */
export function prefixEnd(prefix: string): string {
  const last = prefix.charCodeAt(prefix.length - 1);
  return prefix === '' ? '\u{7f}' : prefix.slice(0, -1) + String.fromCharCode(last + 1);
}
