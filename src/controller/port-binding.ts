/** Where a port is wired, and what a change of that claims. */
import { hostsOf, swapped } from '../compile/binding.ts';
import { HeddleError } from '../model/errors.ts';
import type { HostId } from '../model/ids.ts';
import type { PortInput } from '../model/kinds.ts';
import type { Draft } from './draft.ts';
import { claims, objectKey } from './keys.ts';
import type { PortRecord } from './records.ts';
import { must } from './rules.ts';
import type { World } from './world.ts';

/** A port's own binding, as its record has it. */
type OwnBinding = Pick<PortRecord, 'host' | 'standby' | 'origin' | 'movedAt'>;

/**
 * The binding that an update asks for. Named as host, the standby becomes it, and the host the standby: so a port moves. A
 * host that leaves while there is a standby leaves the port to it.
 * @throws NOT_FOUND, INVALID, PORT_BOUND
 */
export function nextBinding(
  world: World,
  have: Pick<PortRecord, 'name' | 'host' | 'standby'>,
  next: Pick<PortInput, 'host' | 'standby'>,
): OwnBinding {
  const { name, host: from, standby: before } = have;
  const [to, standby] = [next.host, next.standby].map((ref) =>
    ref ? must(world, 'host', '-', ref).record.id : undefined,
  );
  if (!to) {
    if (!standby) return {};
    if (from && standby === before) return { host: standby };
    throw invalid('needs a host that the port is bound to');
  }
  if (from && to !== from && to !== before)
    throw new HeddleError('PORT_BOUND', { port: name, host: world.host.get(from)!.record.name });
  if (to !== standby) return { host: to, ...(standby && { standby }) };
  if (to === before && from) return { host: to, standby: from };
  throw invalid('is the host itself: name another one');
}

const invalid = (problem: string) => new HeddleError('INVALID', { field: 'standby', problem });

/**
 * The same with where the port has come from: its host before, if it goes to its standby. A segment's machines stay where they
 * are, whichever of its hosts forwards. @throws INVALID
 */
export function movedBinding(
  world: World,
  have: PortRecord,
  next: Pick<PortInput, 'host' | 'standby' | 'origin'>,
  now: Date,
): OwnBinding {
  const { origin, movedAt } = have;
  if (next.origin && next.origin !== origin && must(world, 'host', '-', next.origin).record.id !== origin)
    throw new HeddleError('INVALID', { field: 'origin', problem: 'is the host that the port has come from, or null' });
  const own = nextBinding(world, have, next);
  if (!own.host || have.segment) return own;
  if (own.host === have.host || !have.host)
    return { ...own, ...(origin && next.origin && { origin, ...(movedAt && { movedAt }) }) };
  const came = swapped({ host: have.host, standby: own.host, origin });
  return { ...own, ...(came.origin && { origin: came.origin, movedAt: now.toISOString() }) };
}

/** Claims the hosts that come to a binding, and gives back those that leave it. */
export function rebind(world: World, draft: Draft, port: string, before: OwnBinding, after: OwnBinding): Draft {
  const [was, is]: readonly HostId[][] = [hostsOf(before), hostsOf(after)];
  for (const host of was!) if (!is!.includes(host)) draft.release(claims.bound(host, port));
  for (const host of is!)
    if (!was!.includes(host))
      draft.require(objectKey('host', world.host.get(host)!.record)).claim(claims.bound(host, port), port);
  return draft;
}
