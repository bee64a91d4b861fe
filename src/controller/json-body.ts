import type { FastifyInstance } from 'fastify';
import { HeddleError } from '../model/errors.ts';

/** Deepest nesting of a body; what our own clients send has six levels at most. */
export const DEPTH_MAX = 32;

/**
 * Bodies are JSON. One that is nested deeper than any of ours is refused before it is read: what walks through a value,
 * level by level, would come to the end of its stack. Keys that poison prototypes are refused too.
 */
export function parseJsonBodies(app: FastifyInstance): void {
  const parse = app.getDefaultJsonParser('error', 'error');
  app.removeAllContentTypeParsers();
  app.addContentTypeParser<string>(
    ['application/json', 'application/merge-patch+json'],
    { parseAs: 'string' },
    (request, body, done) => {
      if (depthOf(body) > DEPTH_MAX)
        return done(new HeddleError('BAD_REQUEST', { problem: `the body is nested deeper than ${DEPTH_MAX} levels` }));
      return parse(request, body, done);
    },
  );
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const opens: ReadonlySet<number> = new Set([0x5b, 0x7b]);
const closes: ReadonlySet<number> = new Set([0x5d, 0x7d]);

/** The deepest nesting of a JSON text; of one that is none, some number. Cost: one pass, no memory. */
export function depthOf(text: string): number {
  let depth = 0;
  let deepest = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (quoted) {
      if (c === BACKSLASH) i++;
      else if (c === QUOTE) quoted = false;
    } else if (c === QUOTE) quoted = true;
    else if (opens.has(c)) deepest = Math.max(deepest, ++depth);
    else if (closes.has(c)) depth--;
  }
  return deepest;
}
