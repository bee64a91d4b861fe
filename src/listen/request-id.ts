import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { masked } from '../model/masked.ts';

/** The label under which log lines have it. */
export const requestIdLabel = 'requestId';
const wellFormed = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;

/** The id of a request: the one that its client gives it, if it is 1 to 64 of a-z, A-Z, 0-9, '.', '_', ':', '-', and no token; else a new one. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers['x-request-id'];
  return typeof given === 'string' && wellFormed.test(given) && masked(given) === given ? given : randomUUID();
}
