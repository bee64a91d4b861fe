/** What a host may do itself in tenants: with its own, what is there, and what is nobody's. */
import { isDeepStrictEqual } from 'node:util';
import { hostsOf } from '../compile/binding.ts';
import { HeddleError } from '../model/errors.ts';
import type { HostId } from '../model/ids.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import { type Access, forbidden } from './access.ts';
import { mayMake, mayRename, mayUnmake } from './host-networks.ts';
import type { LeaseRecord, PortRecord, Stored } from './records.ts';
import type { World } from './world.ts';

type Fields = Readonly<Record<string, unknown>>;

/** What a host says of itself, no other says; root of the controller's machine speaks for any. @throws FORBIDDEN */
export function requireSelf(access: Access, host: HostId, verb: string, what: string): void {
  if (access.principal?.kind !== 'local' && access.host !== host) throw forbidden(access, verb, what);
}

/** A port that is wired on the host, or has come from there, which it reads alone; a lease that it holds. */
export function isOwn(world: World, host: string, { kind, record }: Stored): boolean {
  if (kind === 'lease') return (record as LeaseRecord).host === host;
  if (kind !== 'port') return false;
  return isWired(world, host, record as PortRecord) || world.bindingOf(record as PortRecord).origin === host;
}

const isWired = (world: World, host: string, port: PortRecord): boolean =>
  hostsOf(world.bindingOf(port)).some((id) => id === host);

/** @throws FORBIDDEN where a host is to have something that is not this one */
export function refuseCreate(world: World, access: Access, kind: Kind, scope: string, body: unknown): void {
  const input = body as Fields;
  const { host } = access;
  if (host === undefined) return;
  if (isOfNetwork(kind)) return allow(mayMake(world, host, kind, scope, input), access, kind);
  const isSelf = (ref: unknown): boolean => world.find('host', '-', String(ref))?.record.id === host;
  const parent = typeof input.behind === 'string' ? world.find('port', scope, input.behind)?.record : undefined;
  const mayBe =
    kind === 'lease'
      ? isSelf(input.host)
      : kind === 'port' &&
        [input.host, input.standby].every((ref) => ref === undefined || ref === null || isSelf(ref)) &&
        (parent === undefined || isWired(world, host, parent));
  allow(mayBe, access, kind);
}

/**
 * A port that is on no host, or on this one, may be changed, if no other host comes to it; one that is on another host may get
 * this one as its standby, and nothing else: so a guest comes here. One that has come from here may be told that nothing is
 * passed on any more. Of leases its own; of a shared address who has it, if that is a port here.
 * @throws FORBIDDEN; PORT_BOUND for a port of its tenants that it would take from where it is
 */
export function refuseUpdate(world: World, access: Access, have: Stored, next: object, was: object): void {
  const { host } = access;
  const { kind } = have;
  if (host === undefined) return;
  const mayBe =
    kind === 'port'
      ? mayChangePort(world, access, host, have as Stored<'port'>, next as Fields, was as Fields)
      : kind === 'address'
        ? mayGiveAddress(world, host, have, next as Fields, was as Fields)
        : kind === 'lease'
          ? isOwn(world, host, have)
          : kind === 'network' && mayRename(have as Stored<'network'>, next as Fields, was as Fields);
  if (!mayBe && kind === 'port') refuseTaking(world, access, have as Stored<'port'>, next as Fields);
  allow(mayBe, access, kind);
}

/** Who attaches a port is told where it is: hosts see that of ports of their tenants. @throws PORT_BOUND */
function refuseTaking(world: World, access: Access, { record }: Stored<'port'>, next: Fields): void {
  const at = record.host && world.host.get(record.host)?.record;
  if (at && at.id !== access.host && access.sees(record.tenant) && idOf(world, next.host) === access.host)
    throw new HeddleError('PORT_BOUND', { port: record.name, host: at.name });
}

/** @throws FORBIDDEN */
export function refuseRemove(world: World, access: Access, have: Stored): void {
  const { host } = access;
  const { kind } = have;
  // It leaves.
  if (host === undefined || (kind === 'host' && have.record.id === host)) return;
  const mayBe =
    kind === 'port'
      ? isWired(world, host, have.record as PortRecord) || isNobodys(world, access, have as Stored<'port'>)
      : isOfNetwork(kind)
        ? mayUnmake(world, host, have)
        : isOwn(world, host, have);
  allow(mayBe, access, kind);
}

/** On no host, in a tenant that the host was given. */
const isNobodys = (world: World, access: Access, { record }: Stored<'port'>): boolean =>
  access.sees(record.tenant) && hostsOf(world.bindingOf(record)).length === 0;

function mayChangePort(
  world: World,
  access: Access,
  host: string,
  have: Stored<'port'>,
  next: Fields,
  was: Fields,
): boolean {
  const { host: at, standby } = have.record;
  const isThere = (id: string | undefined) => id === undefined || id === host || id === at || id === standby;
  if (isWired(world, host, have.record) || isNobodys(world, access, have))
    return isThere(idOf(world, next.host)) && isThere(idOf(world, next.standby));
  const isOnly = (field: 'origin' | 'standby') =>
    isDeepStrictEqual({ ...next, [field]: undefined }, { ...was, [field]: undefined });
  if (have.record.origin === host && isOnly('origin')) return next.origin === undefined;
  return (
    access.sees(have.record.tenant) && standby === undefined && isOnly('standby') && idOf(world, next.standby) === host
  );
}

const idOf = (world: World, ref: unknown): string | undefined =>
  typeof ref === 'string' ? world.find('host', '-', ref)?.record.id : undefined;

function mayGiveAddress(world: World, host: string, have: Stored, next: Fields, was: Fields): boolean {
  const said = { holder: undefined, heardMs: undefined };
  const only = isDeepStrictEqual({ ...next, ...said }, { ...was, ...said });
  const port = world.find('port', (have as Stored<'address'>).record.tenant, String(next.holder))?.record;
  return only && port !== undefined && isWired(world, host, port);
}

const isOfNetwork = (kind: Kind): kind is 'network' | 'subnet' => kind === 'network' || kind === 'subnet';

/** @throws FORBIDDEN */
function allow(mayBe: boolean, access: Access, kind: Kind): void {
  if (!mayBe) throw forbidden(access, 'write', `${kinds[kind].plural} that are not its own`);
}
