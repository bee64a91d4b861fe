/** What goes with a port, and what becomes of it when its host is gone. */
import { hostsOf } from '../compile/binding.ts';
import type { Draft } from './draft.ts';
import { claims } from './keys.ts';
import { releaseBehind } from './port-behind.ts';
import { rebind } from './port-binding.ts';
import type { PortRecord, Stored } from './records.ts';
import { unused } from './rules.ts';
import type { World } from './world.ts';

/** The port and all its claims, as a part of a write. */
function removeOne(world: World, draft: Draft, have: Stored<'port'>): Draft {
  const { id, network, mac, addresses, place } = have.record;
  draft.remove(have).release(claims.portId(id)).release(claims.mac(network, mac));
  releaseBehind(draft, have.record);
  if (place !== undefined) draft.release(claims.place(place));
  for (const ip of addresses) draft.release(claims.ip(world.subnetOf(network, ip)!, ip));
  return rebind(world, draft, id, have.record, {});
}

const behindOf = (world: World, { record }: Stored<'port'>): Stored<'port'>[] =>
  [...world.portsBehind.of(record.id)].map((id) => world.port.get(id)!);

/** The ephemeral ports behind one; none comes meanwhile. */
function removeEphemeralBehind(world: World, draft: Draft, have: Stored<'port'>): Draft {
  for (const port of behindOf(world, have)) if (port.record.ephemeral) removeOne(world, draft, port);
  return draft.quiet(claims.behindOf(have.record.id), world.revision);
}

/** The port with those behind it, if all of them may go with it. @throws IN_USE */
export function removePort(world: World, draft: Draft, have: Stored<'port'>): Draft {
  unused(have, 'port', behindOf(world, have).filter(({ record }) => !record.ephemeral).length);
  return removeOne(world, removeEphemeralBehind(world, draft, have), have);
}

/** The port's next state, as a part of a write. Bound nowhere any more, it loses what was there only for its attachment. */
export function updatePort(world: World, draft: Draft, have: Stored<'port'>, next: Stored<'port'>['record']): Draft {
  rebind(world, draft.update(have, next), next.id, have.record, next);
  if (have.record.host && !next.host) removeEphemeralBehind(world, draft, have);
  return draft;
}

/** The record bound nowhere, and come from nowhere. */
export const withoutBinding = ({
  host: _host,
  standby: _standby,
  origin: _origin,
  movedAt: _movedAt,
  ...rest
}: PortRecord): Omit<PortRecord, 'host' | 'standby' | 'origin' | 'movedAt'> => rest;

/** Nobody passes anything on for a port any more from a host that is gone. */
export const loseOrigin = (draft: Draft, have: Stored<'port'>): Draft => {
  const { origin: _origin, movedAt: _movedAt, ...rest } = have.record;
  return draft.update(have, rest);
};

/** A port loses a host that is gone: to the other one where it is wired, or with the host, or it is bound nowhere. */
export function loseHost(world: World, draft: Draft, have: Stored<'port'>, gone: string): Draft {
  const rest = withoutBinding(have.record);
  const [left] = hostsOf(have.record).filter((host) => host !== gone);
  const isKept = left || !rest.ephemeral || behindOf(world, have).some(({ record }) => !record.ephemeral);
  return isKept
    ? updatePort(world, draft, have, { ...rest, ...(left && { host: left }) })
    : removePort(world, draft, have);
}
