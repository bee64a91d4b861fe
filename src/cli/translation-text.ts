/** How peers see subnets, as people write it: "web-v4=100.64.1.0/24". */
import { HeddleError } from '../model/errors.ts';
import type { Translation } from '../model/kinds.ts';

/** How one is written, for help. */
export const translationForm = 'subnet=prefix';

/** @throws USAGE */
export function parseTranslation(text: string): Translation {
  const [subnet = '', as = '', ...rest] = text.split('=');
  if (!subnet || !as || rest.length > 0)
    throw new HeddleError('USAGE', {
      problem: `--translate ${text}: write it as ${translationForm}, web-v4=100.64.1.0/24`,
    });
  return { subnet, as };
}
