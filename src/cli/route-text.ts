/** Routes as people write them: "10.9.0.0/16=10.0.0.5", "192.0.2.0/24=blackhole". */
import { HeddleError } from '../model/errors.ts';
import type { Route } from '../model/kinds.ts';

/** How one is written, for help. */
export const routeForm = 'prefix=next-hop|blackhole';
const BLACKHOLE = 'blackhole';

/** @throws USAGE */
export function parseRoute(text: string): Route {
  const [destination = '', via = '', ...rest] = text.split('=');
  if (!destination || !via || rest.length > 0)
    throw new HeddleError('USAGE', {
      problem: `--route ${text}: write it as ${routeForm}, 10.9.0.0/16=10.0.0.5`,
    });
  return { destination, ...(via === BLACKHOLE ? {} : { via }) };
}

/** The same back. */
export const routeText = ({ destination, via = BLACKHOLE }: Route): string => `${destination}=${via}`;
