import type { FastifyReply } from 'fastify';
import { whenGone } from './gone.ts';
import { isOnlyOrigin } from './origins.ts';
import { concernedHosts } from './publisher.ts';
import type { RouteContext } from './routes.ts';
import type { WorldChange } from './world.ts';

/**
 * Waits until the hosts that changes of several revisions concern have applied the last one.
 * @throws WAIT_TIMEOUT; the writes stay
 */
export async function waitForChanges(
  { world, presence }: RouteContext,
  changes: readonly WorldChange[],
  revision: bigint,
  waitMs: number,
  reply: FastifyReply,
): Promise<void> {
  const concerned = new Set(changes.flatMap((c) => [...concernedHosts(world, c), ...(c.from ?? []), ...(c.to ?? [])]));
  const waited = [...concerned].filter((id) => world.host.has(id) && (presence.get(id) || !isOnlyOrigin(world, id)));
  const hosts = new Map(waited.map((id) => [id, world.host.get(id)!.record.name]));
  await presence.applied(hosts, revision, waitMs, whenGone(reply));
}
