import type { World } from './world.ts';

/**
 * Ports have come from that host, and nothing is there any more. While it is away nobody waits for it: it is drained and down, or
 * passes on as long as it can what others still send there.
 */
export function isOnlyOrigin(world: World, host: string): boolean {
  if (world.portsOfHost.size(host) + world.leasesOfHost.size(host) > 0) return false;
  for (const id of world.portsMoved) if (world.port.get(id)?.record.origin === host) return true;
  return false;
}
