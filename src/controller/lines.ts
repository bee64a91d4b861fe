/** Answers that have no end: JSON lines as they come, and empty ones between them. */
import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { HeddleError } from '../model/errors.ts';
import { whenGone } from './gone.ts';

/** An empty line is sent this often, so that a dead connection is noticed at both ends. */
const HEARTBEAT_MS = 10_000;

interface Lines<L> {
  /** Asked with every empty line, for rights end, and tokens, while an answer does not. @throws what the answer is to end with */
  readonly look: () => void;
  /** Writes each line, when the client takes it, until the signal is aborted: nobody reads any more, or whoever does may not. */
  readonly pump: (write: (line: L) => Promise<void>, signal: AbortSignal) => Promise<void>;
  /** The last line, if it was not the client that ended it. */
  readonly last?: (why: unknown) => L | Promise<L>;
}

export function sendLines<L>(reply: FastifyReply, { look, pump, last }: Lines<L>): FastifyReply {
  const gone = whenGone(reply);
  const over = new AbortController();
  const signal = AbortSignal.any([gone, over.signal]);
  const out = new PassThrough();
  out.write('\n'); // the headers go with it: who asked knows at once that it goes on
  const beat = setInterval(() => {
    out.write('\n');
    try {
      look();
    } catch (e) {
      over.abort(e);
    }
  }, HEARTBEAT_MS);
  const write = async (line: L) => {
    if (!out.write(`${JSON.stringify(line)}\n`)) await once(out, 'drain', { signal });
  };
  const run = async () => {
    await pump(write, signal);
    signal.throwIfAborted();
  };
  run()
    .catch(async (failed: unknown) => {
      if (gone.aborted) return;
      const why = over.signal.aborted ? over.signal.reason : failed;
      // That somebody may not any more is nothing to be mended here.
      reply.log[why instanceof HeddleError ? 'info' : 'warn']({ err: why }, 'an answer without end has ended');
      if (last) out.write(`${JSON.stringify(await last(why))}\n`);
    })
    .catch((err: unknown) => reply.log.error({ err }, 'the end of an answer could not be told'))
    .finally(() => {
      clearInterval(beat);
      out.end();
    });
  return reply.type('application/x-ndjson').send(out);
}
