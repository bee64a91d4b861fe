import { isDeepStrictEqual } from 'node:util';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { HeddleError, toProblem } from '../model/errors.ts';
import type { Kind } from '../model/kinds.ts';
import type { Change, Store } from '../store/contract.ts';
import type { Access } from './access.ts';
import { objectPrefix } from './keys.ts';
import { sendLines } from './lines.ts';
import { compacted, withTime } from './point.ts';
import type { Presence } from './presence.ts';
import type { ListQuery } from './query.ts';
import { parseRecord, type Stored } from './records.ts';
import { shownTo, viewOf } from './view.ts';
import type { World } from './world.ts';

/**
 * Answers with one JSON line for every change of an object from a revision on: {revision, type: 'put' | 'delete', object}.
 * An object that stops matching the query, or that the principal may not see any more, comes as a delete. Empty lines are
 * heartbeats. If it cannot go on, for who reads too slowly may be overtaken by compaction, and who may not read it any more is
 * not answered further, the last line is {type: 'error', problem}.
 * @throws COMPACTED, REVISION_UNKNOWN before anything is sent
 */
export async function streamWatch<K extends Kind>(
  ctx: { store: Store; world: World; presence: Presence },
  kind: K,
  scope: string,
  { matches }: ListQuery,
  from: bigint,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply> {
  const { store } = ctx;
  const prefix = objectPrefix(kind, scope);
  await refuseBeyond(store, from);
  const sight = new Sight<K>(kind, ctx.world, request, matches);
  return sendLines(reply, {
    look: () => sight.look(),
    async pump(write, signal) {
      for await (const { revision, changes } of store.watch(prefix, from, signal))
        for (const change of changes) {
          const event = sight.of(change, revision);
          if (event) await write({ revision: String(revision), type: event.type, object: viewOf(event.object, ctx) });
        }
    },
    last: async (why) => ({ type: 'error', problem: toProblem(await withTime(store, why)) }),
  });
}

/** A watch goes on from any kept revision, or the next one. @throws COMPACTED, REVISION_UNKNOWN */
async function refuseBeyond(store: Store, from: bigint): Promise<void> {
  const { oldest, revision: newest } = await store.extent();
  // All from the first one on is asked by 0 and by 1.
  if (from <= oldest && oldest > 0n) throw await compacted(store, String(from > 0n ? from - 1n : 0n));
  if (from > newest + 1n) throw new HeddleError('REVISION_UNKNOWN', { revision: String(from), newest: String(newest) });
}

/** What one watcher sees of changes, for as long as it may. */
class Sight<K extends Kind> {
  readonly #kind: K;
  readonly #world: World;
  readonly #request: FastifyRequest;
  readonly #matches: ListQuery['matches'];
  /** Ids of tenants that it has seen: a tenant's grants go with it, and that it is gone is still told. */
  readonly #seen: Set<string>;

  constructor(kind: K, world: World, request: FastifyRequest, matches: ListQuery['matches']) {
    this.#kind = kind;
    this.#world = world;
    this.#request = request;
    this.#matches = matches;
    const { access } = request;
    this.#seen = new Set(kind === 'tenant' ? [...world.tenant.keys()].filter((id) => access.sees(id)) : []);
  }

  /** A put of what it sees and matches, if something of that was written; a delete of what it saw and matched, and does so no more; undefined for what never did. @throws as `look` */
  of({ value, previous }: Change, revision: bigint) {
    const access = this.look();
    const [after, before] = [value, previous].map((text) => this.#stored(text, revision));
    const is = after && this.#matching(shownTo(this.#world, access, after));
    if (is?.isGlance && before && isDeepStrictEqual(shownTo(this.#world, access, before)?.record, is.record))
      return undefined;
    if (is) {
      if (this.#kind === 'tenant') this.#seen.add(is.record.id);
      return { type: 'put', object: is } as const;
    }
    const hasSeen = before !== undefined && this.#seen.delete(before.record.id);
    const was = before && this.#matching(hasSeen ? before : shownTo(this.#world, access, before));
    return was && ({ type: 'delete', object: was } as const);
  }

  /** What the watcher may now. @throws what a new request of the same would be refused with */
  look(): Access {
    return this.#request.accessNow();
  }

  #stored(text: string | undefined, revision: bigint): Stored<K> | undefined {
    return text === undefined ? undefined : { kind: this.#kind, record: parseRecord(this.#kind, text), revision };
  }
  #matching(object: Stored<K> | undefined): Stored<K> | undefined {
    return object && this.#matches(object) ? object : undefined;
  }
}
