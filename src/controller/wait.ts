import { setImmediate as turn } from 'node:timers/promises';
import type { FastifyReply } from 'fastify';
import { hostsOf } from '../compile/binding.ts';
import { whenGone } from './gone.ts';
import { isOnlyOrigin } from './origins.ts';
import type { Presence } from './presence.ts';
import { concernedHosts } from './publisher.ts';
import type { PortRecord } from './records.ts';
import type { World, WorldChange } from './world.ts';

/** Hosts are gathered of so many changes at a time: others have their turn in between. */
const CHANGES_AT_ONCE = 50;

/**
 * Waits until the hosts that writes concern have applied the last of them, but for those that are away and have only been
 * left; by these very writes, they count. Without `waitMs` it does not wait.
 * @param before hosts that the writes concerned before they were made: what goes with them may have had ties of its own
 * @throws WAIT_TIMEOUT; the writes stay
 */
export async function waitForHosts(
  { world, presence }: { readonly world: World; readonly presence: Presence },
  { changes, revision }: { readonly changes: readonly WorldChange[]; readonly revision: bigint },
  waitMs: number | undefined,
  reply: FastifyReply,
  before: Iterable<string> = [],
): Promise<void> {
  if (waitMs === undefined) return;
  const left = new Set(changes.flatMap(leftBy));
  const concerned = new Set(before);
  for (const [i, change] of changes.entries()) {
    if (i % CHANGES_AT_ONCE === CHANGES_AT_ONCE - 1) await turn();
    for (const id of concernedHosts(world, change)) concerned.add(id);
  }
  const hosts = new Map<string, string>();
  for (const id of concerned) {
    const host = world.host.get(id)?.record;
    if (host && (presence.get(id) || left.has(id) || !isOnlyOrigin(world, id))) hosts.set(id, host.name);
  }
  await presence.applied(hosts, revision, waitMs, whenGone(reply));
}

/** Where a port was before. */
const leftBy = ({ kind, before }: WorldChange): readonly string[] =>
  kind === 'port' && before ? hostsOf(before.record as PortRecord) : [];
