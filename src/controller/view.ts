import type { Kind, Objects } from '../model/kinds.ts';
import type { Access } from './access.ts';
import { holderOf } from './address.ts';
import { isOwn } from './host-deeds.ts';
import type { Presence } from './presence.ts';
import {
  type AddressRecord,
  type AnyRecord,
  type HostRecord,
  type LeaseRecord,
  type PortRecord,
  type RouterRecord,
  type Stored,
  scopeOf,
} from './records.ts';
import type { World } from './world.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What a record itself shows to clients: without what only the system needs. */
export function fieldsOf(kind: Kind, record: AnyRecord): Fields {
  const { place: _, held: _held, ...rest } = record as AnyRecord & Pick<PortRecord, 'place'> & Partial<HostRecord>;
  return kind === 'lease' ? { ...rest, addresses: (record as LeaseRecord).addresses.map(({ ip }) => ip) } : rest;
}

/**
 * An object as far as a principal may see it; undefined: not at all. Of a host everybody who has a role sees where it is. A host
 * reads what is its own, in whichever tenant; of ports elsewhere not what their guests alone are told.
 */
export function shownTo<K extends Kind>(world: World, access: Access, stored: Stored<K>): Stored<K> | undefined {
  const { kind, record } = stored;
  if (access.readsAll || (access.host !== undefined && isOwn(world, access.host, stored))) return stored;
  if (access.reads(kind, scopeOf(record), record.id))
    return access.host === undefined || kind !== 'port' ? stored : withoutBriefing(stored);
  if (kind !== 'host' || access.levelIn('host', '-') === undefined) return undefined;
  const { id, name, vtep, mtuBytes } = record as HostRecord;
  return {
    ...stored,
    record: { id, name, vtep, mtuBytes, labels: {} } as unknown as Stored<K>['record'],
    isGlance: true,
  };
}

/** Of what a principal has just written: it may not be its own any more. */
export const shownAfter = <K extends Kind>(world: World, access: Access, stored: Stored<K>): Stored<K> =>
  shownTo(world, access, stored) ?? withoutBriefing(stored);

/** Passwords and keys are in it. */
function withoutBriefing<K extends Kind>(stored: Stored<K>): Stored<K> {
  const { userData: _data, sshKeys: _keys, ...record } = stored.record as PortRecord;
  return { ...stored, record: record as Stored<K>['record'] };
}

/** An object as clients read it: the record, its revision, and the status of now. A port behind another has that one's binding, and its status unless something is wrong with it alone. */
export function viewOf<K extends Kind>(
  { kind, record, revision, isGlance }: Stored<K>,
  { world, presence }: { world: World; presence: Presence },
): Objects[K] {
  if (isGlance) {
    const { labels: _, ...seen } = record;
    const { condition } = presence.hostStatus(record.id);
    return { ...seen, revision: String(revision), status: { condition } } as unknown as Objects[K];
  }
  const { id, ...rest } = fieldsOf(kind, record) as Fields;
  const shown =
    kind === 'router'
      ? { activePeers: (record as RouterRecord).peers.filter((peer) => world.views.arePeers(record.id, peer)) }
      : kind === 'port'
        ? world.bindingOf(record as PortRecord)
        : kind === 'address'
          ? { holder: holderOf(world, record as AddressRecord) }
          : {};
  const object = { id, revision: String(revision), ...rest, ...shown };
  const status =
    kind === 'port'
      ? { status: presence.portStatus(record as PortRecord, world.bindingOf(record as PortRecord)) }
      : kind === 'host'
        ? { status: presence.hostStatus((record as HostRecord).id) }
        : {};
  return { ...object, ...status } as unknown as Objects[K];
}
