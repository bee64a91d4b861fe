/** References of documents, and what an object can never become. */
import { isDeepStrictEqual } from 'node:util';
import { parseIp, parseMac, parsePrefix } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import { isUuid } from '../model/ids.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import type { Sees } from './document-of.ts';
import { must } from './rules.ts';
import type { World } from './world.ts';

type Fields = Readonly<Record<string, unknown>>;

/** The fields of a document with ids for names where the API takes ids alone; `sees`: which tenants' names. @throws NOT_FOUND */
export function withPeers(world: World, scope: string, fields: Fields, sees: Sees): Fields {
  if (!Array.isArray(fields.peers)) return fields;
  return {
    ...fields,
    peers: fields.peers.map((ref) => (typeof ref === 'string' ? peerId(world, scope, ref, sees) : ref)),
  };
}

/** "r1" of the same tenant, "globex/r1" of another, or an id. */
function peerId(world: World, scope: string, ref: string, sees: Sees): string {
  if (isUuid(ref)) return ref;
  const [name = '', of] = ref.split('/').reverse();
  const tenant = of === undefined ? scope : world.find('tenant', '-', of)?.record.id;
  const isSeen = tenant !== undefined && (tenant === scope || sees(tenant));
  const found = !isSeen ? undefined : world.find('router', tenant, name);
  if (!found) throw new HeddleError('NOT_FOUND', { kind: 'router', name: ref.slice(0, 130) });
  return found.record.id;
}

/** Texts that say the same in several ways. */
const forms: Readonly<Record<string, (text: string) => string>> = {
  cidr: (text) => parsePrefix(text).cidr,
  gateway: parseIp,
  address: parseIp,
  mac: parseMac,
};

/** Refuses another value of a field that cannot change. @throws IMMUTABLE, NOT_FOUND, and the codes of an address */
export function refuseImmutable(world: World, kind: Kind, scope: string, live: Fields, fields: Fields): void {
  const { mutable, refersTo } = kinds[kind];
  for (const [field, value] of Object.entries(fields)) {
    if (mutable.includes(field)) continue;
    if (!isSame(world, refersTo[field], scope, field, live[field], value))
      throw new HeddleError('IMMUTABLE', { kind, field });
  }
}

function isSame(
  world: World,
  target: Kind | undefined,
  scope: string,
  field: string,
  live: unknown,
  value: unknown,
): boolean {
  if (typeof value !== 'string') return isDeepStrictEqual(live, value);
  if (target) return must(world, target, kinds[target].scope === 'tenant' ? scope : '-', value).record.id === live;
  return (forms[field]?.(value) ?? value) === live;
}
