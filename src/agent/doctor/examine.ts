import type { Check } from './check.ts';
import { type Finding, type Outcome, unknown, worst } from './finding.ts';
import type { Site } from './site.ts';

/** What takes longer is not waited for. The paths to 1,000 hosts, half of them gone, take about 40 s. */
const deadlineMs = 60_000;

/**
 * Does one check. One that cannot look, or takes too long, is `unknown`, and says why; a bug in it is no other check's loss.
 * @throws the signal's reason when it is aborted
 */
export async function examine(check: Check, site: Site, signal: AbortSignal): Promise<Outcome> {
  const late = AbortSignal.timeout(deadlineMs);
  let findings: Finding[];
  try {
    findings = await check.run(site, AbortSignal.any([signal, late]));
  } catch (e) {
    signal.throwIfAborted();
    const why = late.aborted ? `it took longer than ${deadlineMs / 1_000} s` : (e as Error).message;
    findings = [unknown(`this could not be looked at: ${why}`)];
  }
  return { check: check.name, grade: worst(findings.map(({ grade }) => grade)), findings };
}
