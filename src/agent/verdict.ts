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
  const { status, family } = errors[cause.code as Code];
  if (family === 'unavailable' || status === 401) return 'away';
  const isForLater = hasCode(cause, 'FORBIDDEN') || (hasCode(cause, 'NOT_FOUND') && cause.details.kind === 'tenant');
  return isForLater ? 'later' : family;
}
