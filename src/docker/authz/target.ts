/** What a request of the engine's API names: read as the engine reads it, or refused. Pure. */

import { HeddleError } from '../../model/errors.ts';

/** Older ones take a container's whole configuration when it is started. */
const oldestMinor = 24;

export interface Target {
  /** Decoded, without the API's version. */
  readonly path: string;
  readonly query: URLSearchParams;
}

/**
 * @param uri the request's, as it was sent
 * @throws INVALID if it can be read in two ways; the engine may well take it
 */
export function parseTarget(uri: string): Target {
  const [raw = '', ...rest] = uri.split('?');
  const query = rest.join('?');
  const decoded = decode(raw);
  // The engine takes addresses with a host before the path too, and cleans paths; none of its clients sends those.
  if (/[#\\]/.test(uri) || /\p{Cc}|\/\/|\/\.{1,2}(\/|$)/u.test(decoded)) throw problem('it is no plain path');
  // Engines of before Go 1.17 part a query there too.
  if (query.includes(';')) throw problem('a query with a semicolon is not taken');
  return { path: withoutVersion(decoded), query: new URLSearchParams(query) };
}

/** Once, and the whole, as the engine does before it looks for the route. */
function decode(raw: string): string {
  try {
    return decodeURIComponent(raw);
  } catch (cause) {
    throw problem('it is no UTF-8', cause);
  }
}

function withoutVersion(path: string): string {
  const match = /^\/v([0-9.]+)(?=\/)/.exec(path);
  if (!match) return path;
  const minor = /^1\.([1-9][0-9]{1,2})$/.exec(match[1]!)?.[1];
  if (minor === undefined || Number(minor) < oldestMinor)
    throw problem(`only API 1.${oldestMinor} and newer may be used`);
  return path.slice(match[0].length);
}

const problem = (text: string, cause?: unknown) => new HeddleError('INVALID', { field: 'path', problem: text }, cause);
