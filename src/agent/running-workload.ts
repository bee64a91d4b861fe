/** A workload that runs before it is plugged in: whether the agent can make its end there. */
import { openNetlink } from '../kernel/netlink.ts';
import { lastingIdentity, type Netns, openNetns, ownNetns } from '../kernel/netns.ts';
import { routeList } from '../kernel/route.ts';
import { hasCode } from '../model/errors.ts';
import type { InNetns } from '../model/local-api.ts';
import { collision } from './host-routes.ts';
import { freeIfname } from './workload-netns.ts';

/**
 * An interface to make in the namespace at `path`; undefined if there is no namespace or it is ours, and if it reaches any of
 * `prefixes` already: that is for whoever moves an interface there to allow or refuse. Its name is not what an engine would call one,
 * so that the engine's next one finds its name free.
 */
export function roomIn(path: string, prefixes: readonly string[]): InNetns | undefined {
  using netns = openIfThere(path);
  using own = ownNetns();
  if (!netns || netns.identity === own.identity) return undefined;
  using nl = openNetlink(netns);
  if (collision(prefixes, routeList(nl))) return undefined;
  return { target: { path, identity: lastingIdentity(netns) }, ifname: freeIfname(netns, 'heddle', new Set()) };
}

function openIfThere(path: string): Netns | undefined {
  try {
    return openNetns(path);
  } catch (e) {
    if (hasCode(e, 'NETNS_NOT_FOUND')) return undefined;
    throw e;
  }
}
