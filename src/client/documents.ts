import type { ApplyInput, ApplyResult } from '../model/apply.ts';
import type { Document } from '../model/document.ts';
import type { CallOptions, Connection } from './connection.ts';

/** So long a set of documents may take to be decided and written. */
const applyMs = 60_000;

/** How documents are applied. */
export interface ApplyOptions extends Omit<ApplyInput, 'documents'>, CallOptions {
  /** Wait so long for the hosts to apply the writes. */
  readonly waitMs?: number | undefined;
}
/** What is exported. */
export interface ExportOptions extends CallOptions {
  /** Whose objects; default: everybody's. */
  readonly tenant?: string | undefined;
  /** With the hosts that ports are bound to; default: only where a document says it. */
  readonly bindings?: boolean | undefined;
}
/** The documents of one revision. */
export interface Exported {
  readonly revision: string;
  readonly documents: readonly Document[];
}

/** Sets of documents. */
export interface DocumentsClient {
  /** Brings objects to what documents say, all of them or none; with `dryRun` or `plan` it says what would change. @throws DOCUMENTS_REFUSED */
  apply(documents: readonly Document[], options?: ApplyOptions): Promise<ApplyResult>;
  /** The documents that make the same again, of the installation or of one tenant, as of one revision. */
  export(options?: ExportOptions): Promise<Exported>;
}

/** Asked over a connection. */
export const documentsClient = ({ request }: Connection): DocumentsClient => ({
  apply: (documents, { waitMs, signal, deadlineMs = applyMs + (waitMs ?? 0), ...options } = {}) =>
    request('POST', '/v1/apply', {
      query: { waitMs },
      body: { documents, ...options },
      signal,
      deadlineMs,
    }) as Promise<ApplyResult>,
  export: ({ signal, deadlineMs, ...query } = {}) =>
    request('GET', '/v1/export', { query, signal, deadlineMs }) as Promise<Exported>,
});
