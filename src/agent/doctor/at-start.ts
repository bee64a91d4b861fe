import type { Logger } from 'pino';
import { HeddleError } from '../../model/errors.ts';
import { checks } from './all.ts';
import type { Check } from './check.ts';
import { examine } from './examine.ts';
import type { Site } from './site.ts';

/**
 * Looks at what an agent that starts must know of its host: what needs no other one and takes milliseconds. What is not well
 * goes to the log. @throws HOST_UNFIT if the agent could not do its work
 */
export async function checkAtStart(
  site: Site,
  log: Pick<Logger, 'warn'>,
  looked: readonly Check[] = checks.filter(({ atStart }) => atStart),
): Promise<void> {
  const problems: string[] = [];
  for (const check of looked) {
    const { findings } = await examine(check, site, new AbortController().signal);
    for (const { grade, text, advice, refuses } of findings)
      if (refuses) problems.push(`${text} (${advice})`);
      else if (grade === 'fail' || grade === 'warn') log.warn({ check: check.name, advice }, text);
  }
  if (problems.length > 0) throw new HeddleError('HOST_UNFIT', { problems });
}
