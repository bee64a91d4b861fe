import type { ApplyInput, ApplyResult } from '../model/apply.ts';
import type { Document } from '../model/document.ts';
import { fromProblem, HeddleError, type Problem } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import { type Inputs, type Kind, kinds, type Objects } from '../model/kinds.ts';
import type { Page, WatchEvent } from '../model/page.ts';
import { patiently } from './patience.ts';
import { type Address, answerMs, type RequestOptions, readJson, readLines, send } from './transport.ts';

/** So long a set of documents may take to be decided and written. */
const applyMs = 60_000;

/** Where an object is, and how to write: the tenant for kinds that have one; all else goes into the query. */
export interface ObjectOptions {
  readonly tenant?: string | undefined;
  /** Wait so long for the hosts to apply the write. */
  readonly waitMs?: number | undefined;
  /** Write only if the object is at this revision. */
  readonly ifRevision?: string | undefined;
  /** Create only what is not there. @see EXISTS */
  readonly ifAbsent?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
  /** For the answer to begin, milliseconds; default 10 s, and what `waitMs` says. */
  readonly deadlineMs?: number | undefined;
  readonly [query: string]: unknown;
}

/** A client of the controller's API. Holds nothing that must be closed. Errors are the API's own codes. */
export interface Client {
  readonly address: Address;
  /** Any request; the parsed answer. @throws CONTROLLER_UNREACHABLE and the API's codes */
  request(method: string, path: string, options?: RequestOptions): Promise<unknown>;
  /** All objects that match (or the first `limit`), by age. */
  list<K extends Kind>(kind: K, options?: ObjectOptions): Promise<Objects[K][]>;
  /** The same with the revision from behind which a watch misses nothing; later pages may hold newer objects already. */
  snapshot<K extends Kind>(kind: K, options?: ObjectOptions): Promise<Omit<Page<K>, 'next'>>;
  /** One page: with its revision, and `next` if there is more. */
  page<K extends Kind>(kind: K, options?: ObjectOptions): Promise<Page<K>>;
  get<K extends Kind>(kind: K, nameOrId: string, options?: ObjectOptions): Promise<Objects[K]>;
  create<K extends Kind>(kind: K, body: Inputs[K], options?: ObjectOptions): Promise<Objects[K]>;
  /** A JSON merge patch: null removes a field. */
  update<K extends Kind>(kind: K, nameOrId: string, patch: Patch<K>, options?: ObjectOptions): Promise<Objects[K]>;
  remove(kind: Kind, nameOrId: string, options?: ObjectOptions): Promise<void>;
  /** Brings objects to what documents say, all of them or none; with `dryRun` or `plan` it says what would change. @throws DOCUMENTS_REFUSED */
  apply(documents: readonly Document[], options?: ApplyOptions): Promise<ApplyResult>;
  /** The documents that make the same again, of the installation or of one tenant, as of one revision. */
  export(options?: ExportOptions): Promise<Exported>;
  /** Changes from revision `from` on, until `signal` aborts. @throws COMPACTED, CONTROLLER_UNREACHABLE when the connection ends */
  watch<K extends Kind>(kind: K, options: ObjectOptions & { readonly from: bigint }): AsyncIterable<WatchEvent<K>>;
}
/** How documents are applied. */
export interface ApplyOptions
  extends Omit<ApplyInput, 'documents'>,
    Pick<ObjectOptions, 'waitMs' | 'signal' | 'deadlineMs'> {}
export interface ExportOptions extends Pick<ObjectOptions, 'tenant' | 'signal' | 'deadlineMs'> {
  /** With the hosts that ports are bound to; default: only where a document says it. */
  readonly bindings?: boolean | undefined;
}
export interface Exported {
  readonly revision: string;
  readonly documents: readonly Document[];
}
export type Patch<K extends Kind> = { readonly [F in keyof Inputs[K]]?: Inputs[K][F] | null };

/** A client of the controller at an address. Connects with the first request. */
export function openClient(address: Address): Client {
  const unreachable = (problem: string, cause: unknown) =>
    new HeddleError('CONTROLLER_UNREACHABLE', { address, problem }, cause);
  const request: Client['request'] = async (method, path, options = {}) =>
    readJson(await patiently(() => send(address, method, path, options, unreachable), options.signal));

  const page = <K extends Kind>(kind: K, { tenant, signal, deadlineMs, ...query }: ObjectOptions = {}) =>
    request('GET', pathOf(kind, tenant), { query, signal, deadlineMs }) as Promise<Page<K>>;

  const snapshot = async <K extends Kind>(kind: K, options: ObjectOptions = {}) => {
    const most = typeof options.limit === 'number' ? options.limit : Number.POSITIVE_INFINITY;
    const limit = () => Math.min(limits.pageSize, most - items.length);
    const items: Objects[K][] = [];
    const first = await page<K>(kind, { ...options, limit: limit() });
    for (let at = first; ; at = await page<K>(kind, { ...options, limit: limit(), after: at.next })) {
      items.push(...at.items);
      if (at.next === undefined || items.length >= most) return { revision: first.revision, items };
    }
  };

  const write = (method: string, kind: Kind, ref: string | undefined, options: ObjectOptions, body?: unknown) => {
    const { tenant, waitMs, ifRevision, ifAbsent, signal, deadlineMs = answerMs + (waitMs ?? 0), ...query } = options;
    const headers = {
      ...(ifRevision !== undefined && { 'if-match': `"${ifRevision}"` }),
      ...(ifAbsent && { 'if-none-match': '*' }),
    };
    return request(method, pathOf(kind, tenant, ref), {
      query: { ...query, waitMs },
      headers,
      body,
      signal,
      deadlineMs,
    });
  };

  return {
    address,
    request,
    page,
    snapshot,
    list: async <K extends Kind>(kind: K, options: ObjectOptions = {}) => (await snapshot<K>(kind, options)).items,
    get: <K extends Kind>(kind: K, ref: string, { tenant, signal, deadlineMs, ...query }: ObjectOptions = {}) =>
      request('GET', pathOf(kind, tenant, ref), { query, signal, deadlineMs }) as Promise<Objects[K]>,
    create: <K extends Kind>(kind: K, body: Inputs[K], options: ObjectOptions = {}) =>
      write('POST', kind, undefined, options, body) as Promise<Objects[K]>,
    update: <K extends Kind>(kind: K, ref: string, patch: Patch<K>, options: ObjectOptions = {}) =>
      write('PATCH', kind, ref, options, patch) as Promise<Objects[K]>,
    async remove(kind, ref, options = {}) {
      await write('DELETE', kind, ref, options);
    },
    apply: (documents, { waitMs, signal, deadlineMs = applyMs + (waitMs ?? 0), ...options } = {}) =>
      request('POST', '/v1/apply', {
        query: { waitMs },
        body: { documents, ...options },
        signal,
        deadlineMs,
      }) as Promise<ApplyResult>,
    export: ({ signal, deadlineMs, ...query } = {}) =>
      request('GET', '/v1/export', { query, signal, deadlineMs }) as Promise<Exported>,
    async *watch<K extends Kind>(kind: K, options: ObjectOptions & { from: bigint }) {
      const { tenant, signal, deadlineMs, from, ...query } = options;
      const sent = { query: { ...query, watch: from }, signal, deadlineMs };
      const ask = () => send(address, 'GET', pathOf(kind, tenant), sent, unreachable);
      const response = await patiently(ask, signal);
      try {
        for await (const line of readLines(response)) if (line !== '') yield eventOf<K>(line);
      } catch (cause) {
        if (cause instanceof HeddleError) throw cause;
        if (!signal?.aborted) throw unreachable((cause as Error).message, cause);
      }
      if (!signal?.aborted) throw unreachable('the watch ended', undefined);
    },
  };
}

/** A line of a watch. @throws why the watch ends, if it says so */
function eventOf<K extends Kind>(line: string): WatchEvent<K> {
  const event = JSON.parse(line) as WatchEvent<K> | { readonly type: 'error'; readonly problem: Problem };
  if (event.type === 'error') throw fromProblem(event.problem);
  return event;
}

/** The path of a kind's collection, or of one object in it. @throws USAGE if the kind needs a tenant and none is given */
function pathOf(kind: Kind, tenant: string | undefined, ref?: string): string {
  const { plural, scope } = kinds[kind];
  if (scope === 'tenant' && tenant === undefined)
    throw new HeddleError('USAGE', { problem: `a ${kind} belongs to a tenant: say which` });
  const base = scope === 'tenant' ? `/v1/tenants/${encodeURIComponent(tenant!)}/${plural}` : `/v1/${plural}`;
  return ref === undefined ? base : `${base}/${encodeURIComponent(ref)}`;
}
