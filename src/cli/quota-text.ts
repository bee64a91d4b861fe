/** Limits as people write them: "ports=100", "routers=unlimited". */
import { HeddleError } from '../model/errors.ts';
import { LIMIT_MAX, type QuotaLimits, quotaUnits } from '../model/quota.ts';

const usage = (problem: string) => new HeddleError('USAGE', { problem });

/** One of the units. @throws USAGE */
export function parseUnit(text: string): string {
  if (!quotaUnits.includes(text)) throw usage(`there is no quota of ${text}; there are ${quotaUnits.join(', ')}`);
  return text;
}

/** Limits by unit; null: no limit. @throws USAGE */
export function parseLimitChanges(texts: readonly string[]): Record<string, number | null> {
  return Object.fromEntries(
    texts.map((text): [string, number | null] => {
      const at = text.indexOf('=');
      if (at < 0) throw usage(`${text} is no limit: write it as ports=100, or ports=unlimited`);
      const limit = text.slice(at + 1);
      if (limit === 'unlimited') return [parseUnit(text.slice(0, at)), null];
      if (!/^\d{1,10}$/.test(limit) || Number(limit) > LIMIT_MAX)
        throw usage(`${limit} is no limit: give a number up to ${LIMIT_MAX}, or unlimited`);
      return [parseUnit(text.slice(0, at)), Number(limit)];
    }),
  );
}

/** The same where nothing was before. @throws USAGE */
export const parseLimits = (texts: readonly string[]): QuotaLimits =>
  Object.fromEntries(
    Object.entries(parseLimitChanges(texts)).flatMap(([unit, limit]) => (limit === null ? [] : [[unit, limit]])),
  );
