import type { Finding } from './finding.ts';
import type { Site } from './site.ts';

/** One thing that the doctor looks at. */
export interface Check {
  /** For `heddle doctor <name>`. */
  readonly name: string;
  /** What it looks at, for help and documentation. */
  readonly about: string;
  /** An agent that starts looks at it as well: it needs no other host and takes milliseconds. */
  readonly atStart: boolean;
  /** Looks and judges. What it throws could not be looked at. Aborting ends it, with nothing left behind. */
  run(site: Site, signal: AbortSignal): Promise<Finding[]>;
}

/** The two halves of a check: looking, which needs the host, and judging, which needs nothing. */
interface Halves<F> {
  readonly name: string;
  readonly about: string;
  readonly atStart?: boolean;
  readonly gather: (site: Site, signal: AbortSignal) => Promise<F> | F;
  readonly judge: (facts: F) => readonly Finding[];
}

/** Makes a check of its halves. */
export const makeCheck = <F>({ name, about, atStart = false, gather, judge }: Halves<F>): Check => ({
  name,
  about,
  atStart,
  run: async (site, signal) => [...judge(await gather(site, signal))],
});
