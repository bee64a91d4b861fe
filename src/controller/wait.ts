import type { FastifyReply } from 'fastify';
import { hostsOf } from '../compile/binding.ts';
import { whenGone } from './gone.ts';
import { isOnlyOrigin } from './origins.ts';
import type { Presence } from './presence.ts';
import { concernedHosts } from './publisher.ts';
import type { PortRecord } from './records.ts';
import type { World, WorldChange } from './world.ts';

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
  const concerned = changes.flatMap((change) => [...concernedHosts(world, change)]);
  const hosts = new Map<string, string>();
  for (const id of new Set([...before, ...concerned])) {
    const host = world.host.get(id)?.record;
    if (host && (presence.get(id) || left.has(id) || !isOnlyOrigin(world, id))) hosts.set(id, host.name);
  }
  await presence.applied(hosts, revision, waitMs, whenGone(reply));
}

/** Where a port was before. */
const leftBy = ({ kind, before }: WorldChange): readonly string[] =>
  kind === 'port' && before ? hostsOf(before.record as PortRecord) : [];
