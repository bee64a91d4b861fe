/**
 * What a write may depend on (RFC 9110 §13.1). A route says which condition it honours; any other is refused, not ignored:
 * who sends one relies on it.
 */
import type { FastifyRequest } from 'fastify';
import { HeddleError } from '../model/errors.ts';

const meanings = {
  'If-Match': 'a change of one object, or of a quota, depends on a revision',
  'If-None-Match': 'a request that makes one object depends on there being none',
} as const;
type Condition = keyof typeof meanings;

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Honoured here; a write that does not say so honours none. */
    condition?: Condition;
  }
}

const invalid = (field: Condition, problem: string) => new HeddleError('INVALID', { field, problem });

/** For every request, before anything else of it is looked at. A read has no conditions. @throws INVALID */
export function refuseConditions({ method, headers, routeOptions }: FastifyRequest): void {
  if (method === 'GET' || method === 'HEAD') return;
  for (const [condition, meaning] of Object.entries(meanings) as [Condition, string][])
    if (headers[condition.toLowerCase()] !== undefined && routeOptions.config.condition !== condition)
      throw invalid(condition, `is not honoured here: only ${meaning}`);
}

/** The revision that must be there still. @throws INVALID */
export function parseIfMatch({ headers }: FastifyRequest): bigint | undefined {
  const header = headers['if-match'];
  if (header === undefined || header === '*') return undefined;
  const match = /^(?:W\/)?"(\d{1,18})"$/.exec(header);
  if (!match) throw invalid('If-Match', 'must be a revision in quotes, as an ETag gives it');
  return BigInt(match[1]!);
}

/** True for `If-None-Match: *`: only if it is not there. @throws INVALID */
export function parseIfNoneMatch({ headers }: FastifyRequest): boolean {
  const header = headers['if-none-match'];
  if (header === undefined) return false;
  if (header !== '*') throw invalid('If-None-Match', 'must be *: make the object only if it is not there');
  return true;
}
