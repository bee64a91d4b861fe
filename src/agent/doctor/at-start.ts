import { HeddleError } from '../../model/errors.ts';
import { checks } from './all.ts';
import type { Check } from './check.ts';
import { examine } from './examine.ts';
import type { Site } from './site.ts';

/** What was not well on a host when its agent began, and kept it from nothing. */
export interface StartWarning {
  /** Name of the doctor's check. */
  readonly check: string;
  readonly text: string;
  readonly advice?: string;
}

const { first = [], rest = [] } = Object.groupBy(checks, ({ atStart }) => (atStart ? 'first' : 'rest'));

/** Where warnings go, beside their check and advice. */
interface WarningLog {
  warn(about: { readonly check: string; readonly advice?: string }, text: string): void;
}

/**
 * Looks at what an agent that starts must know of its host: what needs no other one and takes milliseconds. What is not well
 * goes to the log, and is returned. @throws HOST_UNFIT if the agent could not do its work
 */
export const checkAtStart = (site: Site, log: WarningLog, looked = first) =>
  heed(looked, site, log, new AbortController().signal);

/**
 * Looks at the rest, when a host has joined: its ways to the others among it. It takes up to minutes, and refuses nothing.
 * @throws the signal's reason when it is aborted
 */
export const checkJoined = (site: Site, log: WarningLog, signal: AbortSignal) => heed(rest, site, log, signal);

async function heed(
  looked: readonly Check[],
  site: Site,
  log: WarningLog,
  signal: AbortSignal,
): Promise<StartWarning[]> {
  const problems: string[] = [];
  const warnings: StartWarning[] = [];
  for (const check of looked) {
    const { findings } = await examine(check, site, signal);
    for (const { grade, text, advice, refuses } of findings)
      if (refuses) problems.push(`${text} (${advice})`);
      else if (grade === 'fail' || grade === 'warn')
        warnings.push({ check: check.name, text, ...(advice !== undefined && { advice }) });
  }
  for (const { text, ...about } of warnings) log.warn(about, text);
  if (problems.length > 0) throw new HeddleError('HOST_UNFIT', { problems });
  return warnings;
}
