/** JSON bodies, in which the engine must not read another thing than we do. Pure. */
import { HeddleError } from '../../model/errors.ts';

export type Fields = Readonly<Record<string, unknown>>;

/**
 * An object of JSON, in which no object has a name twice: Go lays the second one's fields over the first one's, and we would
 * see the second alone.
 * @throws INVALID if it is something else, or there is none: engines do not show us bodies over 1 MiB, nor all that come in pieces
 */
export function parseBody(body: Buffer | undefined): Fields {
  if (!body || body.length === 0) throw problem('it is not shown to us: it is missing, larger than 1 MiB, or no JSON');
  const text = body.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw problem('it is no JSON', cause);
  }
  if (membersOf(value) !== membersIn(text)) throw problem('a name is there twice in one object');
  return asFields(value, 'body');
}

/** @throws INVALID */
export function asFields(value: unknown, field: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new HeddleError('INVALID', { field, problem: 'must be an object' });
}

const problem = (text: string, cause?: unknown) => new HeddleError('INVALID', { field: 'body', problem: text }, cause);

/** How many members all objects of a value have. */
function membersOf(value: unknown): number {
  let count = 0;
  const left = [value];
  while (left.length > 0) {
    const next = left.pop();
    if (typeof next !== 'object' || next === null) continue;
    const inner = Object.values(next);
    if (!Array.isArray(next)) count += inner.length;
    for (const one of inner) left.push(one);
  }
  return count;
}

/** The same of a JSON text: each has a colon, and outside of strings there are no others. */
function membersIn(text: string): number {
  let count = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '\\') i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === ':') count++;
  }
  return count;
}
