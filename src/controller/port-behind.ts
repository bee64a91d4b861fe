/** Ports behind other ports: what tells them apart there, and what goes with the one in front. */
import { parseMac } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import { PLACE_FIRST, PLACES_MAX, type PlaceNumber } from '../model/ids.ts';
import type { PortInput, Segment } from '../model/kinds.ts';
import type { Draft } from './draft.ts';
import { claims, objectKey } from './keys.ts';
import type { NetworkRecord, PortRecord, Stored } from './records.ts';
import { must, type RuleContext } from './rules.ts';
import type { World } from './world.ts';

/** The port that a new one is to be behind. @throws NOT_FOUND, INVALID, PORT_BEHIND, PORTS_BEHIND_LIMIT */
export function inFront(
  world: World,
  scope: string,
  network: NetworkRecord,
  { name, behind, vlan, segment, ...binding }: PortInput,
): PortRecord | undefined {
  if (behind === undefined) {
    if (vlan !== undefined) throw invalid('vlan', 'is of ports behind another one');
    return undefined;
  }
  if (segment) throw invalid('segment', 'a segment is not behind another port');
  refuseOwnBinding(binding);
  const parent = must(world, 'port', scope, behind).record;
  const bad = (problem: string) =>
    new HeddleError('PORT_BEHIND', { port: name ?? 'that is asked for', behind: parent.name, problem });
  if (parent.behind) throw bad('that one is itself behind another port');
  if (parent.segment && vlan !== undefined) throw bad('the VLAN of a segment is that of its attachment, for all of it');
  if (parent.network !== network.id) {
    if (parent.segment) throw bad('machines on a segment are in the segment’s network');
    if (vlan === undefined) throw bad('in another network than that one it needs a VLAN');
  }
  // One too many, of two that are made at once, does no harm.
  const limit = limits.portsBehind;
  if (world.portsBehind.size(parent.id) >= limit)
    throw new HeddleError('PORTS_BEHIND_LIMIT', { port: parent.name, limit });
  return parent;
}

/** The port that was learned on a segment of the machine that is now told; undefined if there is none. */
export function learnedAs(
  world: World,
  parent: PortRecord,
  { id, mac, ephemeral = false }: PortInput,
): Stored<'port'> | undefined {
  if (!parent.segment || mac === undefined || ephemeral || id !== undefined) return undefined;
  const have = world.port.get(world.ownerOfMac(parent.network, parseMac(mac)) ?? '');
  return have?.record.behind === parent.id && have.record.ephemeral ? have : undefined;
}

/** A port behind another is bound where that one is. @throws INVALID */
export function refuseOwnBinding({ host, standby }: Pick<PortInput, 'host' | 'standby'>): void {
  if (host || standby) throw invalid(host ? 'host' : 'standby', 'a port behind another is bound where that one is');
}

const invalid = (field: string, problem: string) => new HeddleError('INVALID', { field, problem });

/** Its place behind the other, as a part of the write that makes it. @throws PORT_BEHIND */
export function claimBehind(world: World, draft: Draft, parent: PortRecord, port: PortRecord): void {
  const { name, vlan, mac } = port;
  // Untagged they are in one network, where no MAC is there twice.
  const other = vlan === undefined ? undefined : onTag(world, parent.id, vlan, mac);
  if (other)
    throw new HeddleError('PORT_BEHIND', {
      ...{ port: name, behind: parent.name },
      problem: `port ${other.name} has MAC ${mac} on VLAN ${vlan} there`,
    });
  draft.require(objectKey('port', parent)).claim(claims.behind(parent.id, vlan ?? 0, mac), port.id);
}

function onTag(world: World, parent: string, vlan: number, mac: string): PortRecord | undefined {
  for (const id of world.portsBehind.of(parent)) {
    const { record } = world.port.get(id)!;
    if (record.mac === mac && record.vlan === vlan) return record;
  }
  return undefined;
}

/** Gives a port's place behind another back. */
export function releaseBehind(draft: Draft, { behind, vlan, mac }: PortRecord): void {
  if (behind) draft.release(claims.behind(behind, vlan ?? 0, mac));
}

/** A segment's settings, filled in. */
export const segmentOf = (segment: PortInput['segment']): { segment?: Segment } =>
  segment ? { segment: { ...segment, learn: segment.learn ?? limits.learned } } : {};

/** A port is a segment from the start, or never. @throws INVALID */
export function sameSort(have: PortRecord, next: Pick<PortInput, 'segment'>): void {
  if (have.segment && !next.segment) throw invalid('segment', 'what is a segment stays one; delete it instead');
  if (!have.segment && next.segment)
    throw invalid('segment', 'a port with addresses does not become one: make another');
}

/** The lowest number that no segment has, claimed with the write that makes the segment. @throws SEGMENT_POOL_EXHAUSTED */
export function claimPlaceNumber({ world, pending }: RuleContext, draft: Draft, port: string): PlaceNumber {
  for (let n = PLACE_FIRST; n < PLACE_FIRST + PLACES_MAX; n++)
    if (!world.places.has(n) && !pending(claims.place(n))) {
      draft.claim(claims.place(n), port);
      return n as PlaceNumber;
    }
  throw new HeddleError('SEGMENT_POOL_EXHAUSTED', { limit: PLACES_MAX });
}
