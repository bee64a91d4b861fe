/** What it means for what this host tells the controller that it was not taken. */
import { type Code, errors, HeddleError, hasCode } from '../model/errors.ts';

/**
 * `away`: nobody hears this host now, or it is not let in: the rest need not be tried either. `later`: it is not this host’s to
 * say as things are, in a tenant that it was not given, for instance. Of what was told neither says anything: it stays as it is
 * here, and is told again. `refused`: of what was told, and for good. `broken`: nobody knows; told again.
 */
export type Verdict = 'away' | 'later' | 'refused' | 'broken';

export function verdictOf(cause: unknown): Verdict {
  if (!(cause instanceof HeddleError)) return 'broken';
  const { family } = errors[cause.code as Code];
  if (family === 'unavailable' || isShutOut(cause)) return 'away';
  const isForLater = hasCode(cause, 'FORBIDDEN') || (hasCode(cause, 'NOT_FOUND') && cause.details.kind === 'tenant');
  return isForLater ? 'later' : family;
}

/** The controller does not let this host in: asking again soon is of no use, and each time it keeps a record of it. */
export const isShutOut = (cause: unknown): boolean =>
  cause instanceof HeddleError && errors[cause.code as Code].status === 401;

/** The controller does not take this host as it is: its name, address or version. */
export const isRefused = (cause: unknown): boolean =>
  cause instanceof HeddleError && errors[cause.code as Code].family === 'refused';

/** So far apart a controller that does not let this host in is asked in the end, milliseconds. */
export const shutOutMs = 300_000;
/** The same while it has another stream of this host, which ends soon if the host has moved. */
export const elsewhereMs = 15_000;
