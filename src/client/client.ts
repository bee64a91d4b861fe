import { limits } from '../model/fields.ts';
import type { Inputs, Kind, Objects } from '../model/kinds.ts';
import type { Page, WatchEvent } from '../model/page.ts';
import { type AuditClient, auditClient } from './audit.ts';
import { type Connection, openConnection } from './connection.ts';
import type { Credentials, CurrentCredentials } from './credentials.ts';
import { type DocumentsClient, documentsClient } from './documents.ts';
import { type HistoryClient, historyClient } from './history.ts';
import { type LoginClient, loginClient } from './login.ts';
import { type ObserveClient, observeClient } from './observe.ts';
import { ifMatch, pathOf } from './path.ts';
import { type QuotaClient, quotaClient } from './quota.ts';
import { type TokensClient, tokensClient } from './tokens.ts';
import { type Address, answerMs } from './transport.ts';
import { type TrustClient, trustClient } from './trust.ts';
import { watchFrom } from './watch.ts';

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

/** Objects of every kind. */
interface ObjectsClient {
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
  /** Changes from revision `from` on, until `signal` aborts. @throws COMPACTED, CONTROLLER_UNREACHABLE when the connection ends */
  watch<K extends Kind>(kind: K, options: ObjectOptions & { readonly from: bigint }): AsyncIterable<WatchEvent<K>>;
}

/** A client of the controller's API. Holds nothing that must be closed. Errors are the API's own codes. */
export interface Client
  extends ObjectsClient,
    DocumentsClient,
    HistoryClient,
    QuotaClient,
    ObserveClient,
    AuditClient,
    TrustClient,
    LoginClient,
    TokensClient,
    Pick<Connection, 'address' | 'request'> {}
/** What changes of an object; null removes a field. */
export type Patch<K extends Kind> = { readonly [F in keyof Inputs[K]]?: Inputs[K][F] | null };

/** A client of the controller at an address; by TCP with credentials, which may change. Connects with the first request. */
export function openClient(address: Address, credentials?: Credentials | CurrentCredentials): Client {
  const connection = openConnection(address, typeof credentials === 'object' ? () => credentials : credentials);
  const { request } = connection;
  return {
    address,
    request,
    ...objectsClient(connection),
    ...documentsClient(connection),
    ...historyClient(connection),
    ...quotaClient(connection),
    ...observeClient(connection),
    ...auditClient(connection),
    ...trustClient(connection),
    ...loginClient(connection),
    ...tokensClient(connection),
  };
}

function objectsClient({ request, lines }: Connection): ObjectsClient {
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
    const headers = { ...ifMatch(ifRevision), ...(ifAbsent && { 'if-none-match': '*' }) };
    const sent = { query: { ...query, waitMs }, headers, body, signal, deadlineMs };
    return request(method, pathOf(kind, tenant, ref), sent);
  };

  return {
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
    async *watch<K extends Kind>(kind: K, options: ObjectOptions & { from: bigint }) {
      const { tenant, signal, deadlineMs, from, ...query } = options;
      const open = (watch: bigint) => lines(pathOf(kind, tenant), { query: { ...query, watch }, signal, deadlineMs });
      yield* watchFrom<K>(open, from);
    },
  };
}
