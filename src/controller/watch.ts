import { once } from 'node:events';
import { PassThrough } from 'node:stream';
import type { FastifyReply } from 'fastify';
import { HeddleError, toProblem } from '../model/errors.ts';
import type { Kind } from '../model/kinds.ts';
import type { Change, Store } from '../store/contract.ts';
import { whenGone } from './gone.ts';
import { objectPrefix } from './keys.ts';
import { compacted, withTime } from './point.ts';
import type { Presence } from './presence.ts';
import type { ListQuery } from './query.ts';
import { parseRecord, type Stored } from './records.ts';
import { viewOf } from './view.ts';
import type { World } from './world.ts';

/** An empty line is sent this often, so that a dead connection is noticed at both ends. */
const HEARTBEAT_MS = 10_000;

/**
 * Answers with one JSON line for every change of an object from a revision on: {revision, type: 'put' | 'delete', object}.
 * An object that stops matching the query comes as a delete. Empty lines are heartbeats. If it cannot go on, for who reads too
 * slowly may be overtaken by compaction, the last line is {type: 'error', problem}.
 * @throws COMPACTED, REVISION_UNKNOWN before anything is sent
 */
export async function streamWatch<K extends Kind>(
  ctx: { store: Store; world: World; presence: Presence },
  kind: K,
  scope: string,
  { matches }: ListQuery,
  from: bigint,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { store } = ctx;
  const prefix = objectPrefix(kind, scope);
  await refuseBeyond(store, from);
  const gone = whenGone(reply);
  const out = new PassThrough();
  out.write('\n'); // the headers go with it: who watches knows at once that it does
  const beat = setInterval(() => out.write('\n'), HEARTBEAT_MS);
  const pump = async () => {
    for await (const { revision, changes } of store.watch(prefix, from, gone))
      for (const change of changes) {
        const event = eventOf<K>(kind, change, revision, matches);
        if (!event) continue;
        const line = { revision: String(revision), type: event.type, object: viewOf(event.object, ctx) };
        if (!out.write(`${JSON.stringify(line)}\n`)) await once(out, 'drain', { signal: gone });
      }
  };
  pump()
    .catch(async (e: unknown) => {
      if (gone.aborted) return;
      reply.log.warn({ err: e }, 'watch ended');
      out.write(`${JSON.stringify({ type: 'error', problem: toProblem(await withTime(store, e)) })}\n`);
    })
    .finally(() => {
      clearInterval(beat);
      out.end();
    });
  return reply.type('application/x-ndjson').send(out);
}

/** A watch goes on from any kept revision, or the next one. @throws COMPACTED, REVISION_UNKNOWN */
async function refuseBeyond(store: Store, from: bigint): Promise<void> {
  const { oldest, revision: newest } = await store.extent();
  // All from the first one on is asked by 0 and by 1.
  if (from <= oldest && oldest > 0n) throw await compacted(store, String(from > 0n ? from - 1n : 0n));
  if (from > newest + 1n) throw new HeddleError('REVISION_UNKNOWN', { revision: String(from), newest: String(newest) });
}

/** A put of what matches, a delete of what matched and does so no more; undefined for what never did. */
function eventOf<K extends Kind>(
  kind: K,
  { value, previous }: Change,
  revision: bigint,
  matches: ListQuery['matches'],
) {
  const stored = (text: string | undefined): Stored<K> | undefined => {
    const object = text === undefined ? undefined : { kind, record: parseRecord(kind, text), revision };
    return object && matches(object) ? object : undefined;
  };
  const after = stored(value);
  if (after) return { type: 'put', object: after } as const;
  const before = stored(previous);
  return before && ({ type: 'delete', object: before } as const);
}
