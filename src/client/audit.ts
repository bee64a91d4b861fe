import type { AuditLine, AuditPage, AuditRecord } from '../model/audit.ts';
import { limits } from '../model/fields.ts';
import type { CallOptions, Connection } from './connection.ts';
import { linesFrom } from './endless.ts';

/** Which records; without any of them, all that may be read. */
export interface AuditFilter {
  /** From a time on, as 2026-01-31T08:00:00Z, or from so long ago, as 90m. */
  readonly since?: string | undefined;
  /** Before a time. */
  readonly until?: string | undefined;
  readonly tenant?: string | undefined;
  /** A name, or as user:alice, host:h1, controller. */
  readonly who?: string | undefined;
  /** A kind of objects, or what is none, as quota. */
  readonly kind?: string | undefined;
  /** Name or id of an object, also of one that is gone. */
  readonly object?: string | undefined;
  /** Refusals alone, or none of them. */
  readonly refused?: boolean | undefined;
  /** Id of a request. */
  readonly request?: string | undefined;
}

/** Which part of them. */
export interface AuditPart {
  readonly limit?: number | undefined;
  /** Behind an id, the oldest first. */
  readonly after?: string | undefined;
  /** Before an id, the newest first. */
  readonly before?: string | undefined;
}

/** What was done, and what was refused. */
export interface AuditClient {
  /** A page of them: the newest first, if it is not said otherwise. */
  audit(options?: AuditFilter & AuditPart & CallOptions): Promise<AuditPage>;
  /** All of them, the oldest first, as they are read. */
  auditRecords(options?: AuditFilter & CallOptions): AsyncIterable<AuditRecord>;
  /**
   * Every one that comes, with `since` or `after` from there on, until `signal` aborts; of a user who has logged in it goes on
   * with the next token. @throws CONTROLLER_UNREACHABLE when the connection ends, and why it may not go on
   */
  followAudit(options?: AuditFilter & Pick<AuditPart, 'after'> & CallOptions): AsyncIterable<AuditLine>;
}

/** Asked over a connection. */
export function auditClient({ request, lines }: Connection): AuditClient {
  const page = ({ signal, deadlineMs, ...query }: AuditFilter & AuditPart & CallOptions = {}) =>
    request('GET', '/v1/audit', { query: { ...query }, signal, deadlineMs }) as Promise<AuditPage>;
  return {
    audit: page,
    async *auditRecords(options) {
      for (let after: string | undefined = '0'; after !== undefined; ) {
        const { items, next }: AuditPage = await page({ ...options, after, limit: limits.pageSize });
        yield* items;
        after = next;
      }
    },
    async *followAudit({ signal, deadlineMs, after, ...filter } = {}) {
      const newest = async () => (await page({ limit: 1, signal, deadlineMs })).items[0]?.id ?? '0';
      let from = after ?? (filter.since === undefined ? await newest() : undefined);
      const open = () => lines('/v1/audit', { query: { ...filter, after: from, follow: true }, signal, deadlineMs });
      for await (const line of linesFrom<AuditLine>(open)) {
        if ('id' in line) from = line.id;
        yield line;
      }
    },
  };
}
