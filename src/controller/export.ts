import type { Document } from '../model/document.ts';
import { referentsFirst } from '../model/kinds.ts';
import { type Access, readsIn } from './access.ts';
import { documentOf } from './document-of.ts';
import { type PortRecord, type Stored, scopeOf } from './records.ts';
import type { World } from './world.ts';

/**
 * What makes the installation, or one tenant, anew: every object that was wished for, as a document; hosts first, then
 * tenant by tenant, each with its objects in the order of their kinds and names. Without ports that live and die with their
 * attachment, and without leases, which agents ask for.
 * @param access what it gives is of what this one may read; tenants themselves, and names of other tenants' routers, if nothing is hidden
 * @param tenant an id; without one the hosts come too
 * @param bindings with the hosts that ports are bound to; else only where a document says it
 */
export function exportDocuments(
  world: World,
  { tenant, bindings, access }: { tenant?: string; bindings: boolean; access: Access },
): Document[] {
  const kinds = referentsFirst.filter((kind) => kind !== 'lease' && (tenant === undefined || kind !== 'host'));
  const documents = kinds.flatMap((kind) =>
    [...world.objects(kind).values()]
      .filter((stored) => isShown(access, stored) && isWished(world, stored))
      .filter((stored) => tenant === undefined || isOf(tenant, stored))
      .map((stored) => documentOf(world, stored, alsoOf(world, stored, bindings), readsIn(access))),
  );
  return documents.sort((a, b) => compare(placeOf(a), placeOf(b)));
}

/** Tenants themselves are for those who may make them: who applies the documents of one again needs none of it. */
const isShown = (access: Access, { kind, record }: Stored): boolean =>
  access.readsAll || (kind !== 'tenant' && access.reads(kind, scopeOf(record), record.id));

const isOf = (tenant: string, { record }: Stored): boolean =>
  record.id === tenant || ('tenant' in record && record.tenant === tenant);

/** Somebody asked for it, and for what it is behind. */
function isWished(world: World, { kind, record }: Stored): boolean {
  if (kind !== 'port') return true;
  const { id, ephemeral, behind } = record as PortRecord;
  const parent = world.port.get(behind ?? '');
  return (!ephemeral || world.applied.has(id)) && (!parent || isWished(world, parent));
}

/** The fields that only say what has become of an object, and were said or are asked for. */
function alsoOf(world: World, { kind, record }: Stored, bindings: boolean): string[] {
  const said = Object.keys(world.applied.get(record.id)?.said ?? {});
  return kind === 'port' && bindings ? [...said, 'host', 'standby'] : said;
}

type Place = readonly (string | number)[];
const placeOf = ({ kind, tenant, name }: Document): Place =>
  kind !== 'tenant' && tenant === undefined
    ? [0, '', referentsFirst.indexOf(kind), name]
    : [1, tenant ?? name, referentsFirst.indexOf(kind), name];

function compare(a: Place, b: Place): number {
  const at = a.findIndex((part, i) => part !== b[i]);
  return at < 0 ? 0 : a[at]! < b[at]! ? -1 : 1;
}
