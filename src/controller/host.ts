import { isDeepStrictEqual } from 'node:util';
import { type Ip, parseHostAddress, parseIp } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { HostWord } from '../model/host-state.ts';
import { HOSTS_MAX, type HostId, type HostNumber } from '../model/ids.ts';
import type { HostInput } from '../model/kinds.ts';
import { parsePlace, partsOfPlace } from '../model/published-place.ts';
import { Draft } from './draft.ts';
import { givenTenants } from './given-tenants.ts';
import { claims, hostTrustKey } from './keys.ts';
import { removeLease } from './lease.ts';
import { loseHost, loseOrigin } from './port-removal.ts';
import type { Stored } from './records.ts';
import { type Decision, freeName, type RuleContext, type Rules, unused } from './rules.ts';
import type { World } from './world.ts';

/** Underlay MTU of a host that says nothing else, bytes. */
const MTU_DEFAULT = 1500;

export const hostRules: Rules<'host'> = {
  create(ctx, _scope, input) {
    const { world, now, newId } = ctx;
    const { name, vtep: vtepText, mtuBytes = MTU_DEFAULT, addresses = [], openPorts = [], labels = {} } = input;
    freeName(world, 'host', '-', name);
    const vtep = parseIp(vtepText);
    freeVtep(ctx, vtep);
    const record = {
      id: newId<HostId>(),
      name,
      createdAt: now().toISOString(),
      labels,
      number: freeNumber(ctx),
      vtep,
      mtuBytes,
      addresses: furtherAddresses(vtep, addresses),
      held: [],
      openPorts: openPorts.map(knownPort),
      tenants: givenTenants(world, input.tenants),
      revoked: false,
    };
    const draft = new Draft()
      .claim(claims.hostNumber(record.number), record.id)
      .claim(claims.vtep(vtep), record.id)
      .create('host', record);
    return { record, draft };
  },
  update(ctx, have, next) {
    const { name, vtep: vtepText, mtuBytes = MTU_DEFAULT, addresses: others = [], openPorts = [], labels = {} } = next;
    freeName(ctx.world, 'host', '-', name, have.record.id);
    const vtep = parseIp(vtepText);
    const addresses = furtherAddresses(vtep, others);
    const open = openPorts.map(knownPort);
    const tenants = givenTenants(ctx.world, next.tenants, have.record.tenants);
    const record = { ...have.record, name, vtep, mtuBytes, addresses, openPorts: open, tenants, labels };
    const draft = new Draft().update(have, record);
    if (vtep !== have.record.vtep) {
      freeVtep(ctx, vtep, have.record.id);
      draft.release(claims.vtep(have.record.vtep)).claim(claims.vtep(vtep), have.record.id);
    }
    return { record, draft };
  },
  remove({ world }, have, { gone = false } = {}) {
    const { id, number, vtep } = have.record;
    if (gone) return removeGone(world, have);
    const instead = `if it never comes back: heddle host delete ${have.record.name} --gone`;
    unused(have, 'port', world.portsOfHost.size(id), instead);
    unused(have, 'lease', world.leasesOfHost.size(id), instead);
    return leaveMoved(world, new Draft(), id)
      .remove(have)
      .release(claims.hostNumber(number))
      .release(claims.vtep(vtep))
      .release(hostTrustKey(id))
      .empty(claims.bound(id, ''));
  },
  input: ({ name, vtep, mtuBytes, addresses, openPorts, tenants, labels }) => ({
    ...{ name, vtep, mtuBytes, addresses: [...addresses], openPorts: [...openPorts], tenants: [...tenants] },
    labels: { ...labels },
  }),
};

/** @throws INVALID for a number that no port has */
function knownPort(port: string): string {
  if (Number(port.slice(4)) > 65_535)
    throw new HeddleError('INVALID', { field: 'openPorts', problem: `there is no ${port}` });
  return port;
}

const furtherAddresses = (vtep: Ip, addresses: readonly string[]): Ip[] =>
  [...new Set(addresses.map(parseHostAddress))].filter((ip) => ip !== vtep).sort();

/**
 * What a host's agent says of it; nothing to write if it is known. Where another host is stays that one's: it is left out.
 * @throws ADDRESS_INVALID, INVALID
 */
export function hostTold(
  world: World,
  have: Stored<'host'>,
  word: Omit<HostWord, 'type'>,
): Decision<'host'> | Stored<'host'> {
  const { vtep } = have.record;
  const others = new Set(othersVteps(world, have.record.id, word).map(({ address }) => address));
  const addresses = furtherAddresses(vtep, word.addresses).filter((ip) => !others.has(ip));
  const own = new Set([vtep, ...addresses]);
  const held = [...new Set(word.held.map(parsePlace))]
    .filter((p) => own.has(partsOfPlace(p).hostAddress ?? vtep))
    .sort();
  if (isDeepStrictEqual({ addresses, held }, { addresses: have.record.addresses, held: have.record.held })) return have;
  const record = { ...have.record, addresses, held };
  return { record, draft: new Draft().update(have, record) };
}

/** The VTEPs of other hosts that one names among its addresses. @throws ADDRESS_INVALID */
export const othersVteps = (
  world: World,
  id: string,
  { addresses }: Pick<HostWord, 'addresses'>,
): { address: Ip; host: string }[] =>
  addresses.map(parseHostAddress).flatMap((address) => {
    const other = world.host.get(world.vteps.get(address) ?? '')?.record;
    return other && other.id !== id ? [{ address, host: other.name }] : [];
  });

/** The host with all that is bound to it: a port goes to its standby; else one that was made for an attachment goes, one that was not is unbound. */
function removeGone(world: World, have: Stored<'host'>): Draft {
  const { id, number, vtep } = have.record;
  const draft = new Draft()
    .remove(have)
    .release(claims.hostNumber(number))
    .release(claims.vtep(vtep))
    .release(hostTrustKey(id))
    .quiet(claims.bound(id, ''), world.revision);
  leaveMoved(world, draft, id);
  for (const ref of world.portsOfHost.of(id)) loseHost(world, draft, world.port.get(ref)!, id);
  for (const ref of world.leasesOfHost.of(id)) removeLease(world, draft, world.lease.get(ref)!);
  return draft;
}

/** What has moved away from the host, and is not bound to it any more. */
function leaveMoved(world: World, draft: Draft, id: HostId): Draft {
  for (const ref of world.portsMoved) {
    const port = world.port.get(ref)!;
    if (port.record.origin === id && !world.portsOfHost.has(id, ref)) loseOrigin(draft, port);
  }
  return draft;
}

type AgentsWord = Omit<HostInput, 'addresses' | 'openPorts' | 'tenants'> & { readonly addresses?: readonly string[] };

/**
 * Refuses a change of what a host's agent, which is connected, says itself: with another name it could not come back, and
 * the number of a deleted host would go to another while this one still uses it.
 * @throws HOST_ONLINE
 */
export function leaveToAgent(have: AgentsWord, next: AgentsWord | undefined): void {
  const host = have.name;
  if (!next) throw new HeddleError('HOST_ONLINE', { host, change: 'that it is there' });
  for (const field of ['name', 'vtep', 'mtuBytes', 'addresses'] as const)
    if (!isDeepStrictEqual(next[field], have[field]))
      throw new HeddleError('HOST_ONLINE', { host, change: `its ${field}` });
}

/** No other host has it, nor names it among its further addresses: it could be that one's. @throws VTEP_TAKEN */
function freeVtep({ world }: RuleContext, vtep: Ip, self?: HostId): void {
  const other =
    world.host.get(world.vteps.get(vtep) ?? '') ??
    [...world.host.values()].find(
      ({ record: { id, revoked, addresses } }) => id !== self && !revoked && addresses.includes(vtep),
    );
  if (other) throw new HeddleError('VTEP_TAKEN', { vtep, host: other.record.name });
}

/** The lowest number that no host has. @throws HOST_POOL_EXHAUSTED */
function freeNumber({ world, pending }: RuleContext): HostNumber {
  for (let n = 1; n <= HOSTS_MAX; n++)
    if (!world.hostNumbers.has(n) && !pending(claims.hostNumber(n))) return n as HostNumber;
  throw new HeddleError('HOST_POOL_EXHAUSTED', { limit: HOSTS_MAX });
}
