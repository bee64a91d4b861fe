import { isDeepStrictEqual } from 'node:util';
import { parseHostAddress, parseIp, parseMac } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { PortId, TenantId } from '../model/ids.ts';
import type { PortInput, Publish } from '../model/kinds.ts';
import { briefingOf, parseBriefing } from '../model/metadata.ts';
import { macOf, wantedMac } from './addresses.ts';
import { Draft } from './draft.ts';
import { claims, objectKey } from './keys.ts';
import { giveBack } from './lease-draft.ts';
import { addressesOf, claimAddresses, heldAt, nextAddresses } from './port-addresses.ts';
import {
  claimBehind,
  claimPlaceNumber,
  inFront,
  learnedAs,
  refuseOwnBinding,
  sameSort,
  segmentOf,
} from './port-behind.ts';
import { movedBinding, nextBinding, rebind } from './port-binding.ts';
import { removePort, updatePort, withoutBinding } from './port-removal.ts';
import type { PortRecord, Stored } from './records.ts';
import { freeName, must, type RuleContext, type Rules } from './rules.ts';
import { refuseForeign } from './slaac.ts';
import type { World } from './world.ts';

export const portRules: Rules<'port'> = {
  create(ctx, scope, input) {
    const { world, now, newId } = ctx;
    must(world, 'tenant', '-', scope);
    const network = must(world, 'network', scope, input.network).record;
    const repeated = input.id === undefined ? undefined : sameAsBefore(world, scope, input.id, input);
    if (repeated) return repeated;
    const parent = inFront(world, scope, network, input);
    if (input.origin) throw new HeddleError('INVALID', { field: 'origin', problem: 'is of ports that have moved' });
    const heard = parent && learnedAs(world, parent, input);
    if (heard) return toldOf(ctx, heard, input);
    const own = nextBinding(world, { name: input.name ?? '' }, input);
    const id = (input.id ?? newId<PortId>()) as PortId;
    const held = heldAt(world, network.id, (parent ?? own).host);
    const addresses = addressesOf(ctx, network, input, held);
    const leased = addresses.flatMap((ip) => held.macs.get(ip) ?? []);
    const draft = new Draft();
    const record: PortRecord = {
      id,
      name: freeName(world, 'port', scope, input.name ?? `p-${id.slice(-12)}`),
      createdAt: now().toISOString(),
      labels: input.labels ?? {},
      tenant: scope as TenantId,
      network: network.id,
      mac: input.mac ? wantedMac(world, network.id, input.mac, leased) : macOf(ctx, network.id, addresses, held.macs),
      addresses,
      ...own,
      ...(parent && { behind: parent.id, ...(input.vlan !== undefined && { vlan: input.vlan }) }),
      ...segmentOf(input.segment),
      ...(input.segment && { place: claimPlaceNumber(ctx, draft, id) }),
      dnsNames: input.dnsNames ?? [],
      publish: publishOf(input),
      ...parseBriefing(input),
      ephemeral: input.ephemeral ?? false,
    };
    // A machine on a segment says itself what it has.
    if (!parent?.segment) refuseForeign(world, network.id, record.mac, addresses);
    draft.require(objectKey('network', network)).claim(claims.portId(id), id).create('port', record);
    if (!leased.includes(record.mac)) draft.claim(claims.mac(network.id, record.mac), id);
    claimAddresses(world, draft, record, addresses, held);
    if (parent) claimBehind(world, draft, parent, record);
    rebind(world, draft, id, {}, own);
    return { record, draft };
  },

  update(ctx, have, next) {
    const { world, now } = ctx;
    const { name, labels = {}, dnsNames = [] } = next;
    const { userData: _data, sshKeys: _keys, ...rest } = withoutBinding(have.record);
    if (rest.behind) refuseOwnBinding(next);
    sameSort(have.record, next);
    const own = movedBinding(world, have.record, next, now());
    freeName(world, 'port', have.record.tenant, name ?? have.record.name, have.record.id);
    const draft = new Draft();
    const record: PortRecord = {
      ...rest,
      addresses: nextAddresses(world, draft, have, next.addresses),
      name: name ?? have.record.name,
      labels,
      dnsNames,
      publish: publishOf(next),
      ...parseBriefing(next),
      ...segmentOf(next.segment),
      ephemeral: next.ephemeral ?? rest.ephemeral,
      ...(rest.segment && { place: rest.place ?? claimPlaceNumber(ctx, draft, rest.id) }),
      ...own,
    };
    return { record, draft: updatePort(world, draft, have, record) };
  },

  remove(ctx, have) {
    const { network, host } = have.record;
    const draft = removePort(ctx.world, new Draft(), have);
    const lease = host && ctx.world.lease.get(ctx.world.leaseOf(network, host) ?? '');
    if (lease) giveBack(ctx, draft, lease, have.record);
    return draft;
  },

  input: ({
    tenant: _tenant,
    movedAt: _movedAt,
    createdAt: _createdAt,
    place: _place,
    addresses,
    dnsNames,
    publish,
    segment,
    userData,
    sshKeys,
    ...rest
  }) => ({
    ...rest,
    addresses: [...addresses],
    dnsNames: [...dnsNames],
    publish: publish.map((p) => ({ ...p })),
    labels: { ...rest.labels },
    ...(segment && { segment: { ...segment } }),
    ...briefingOf({ userData, sshKeys }),
  }),
};

/** A machine of a segment is told that was learned there: its port stays, and is from now on as it is told. */
function toldOf(ctx: RuleContext, have: Stored<'port'>, input: PortInput) {
  const next = { ...portRules.input(have.record), ...input, ephemeral: false };
  return { have, ...(portRules.update(ctx, have, next) as { draft: Draft; record: PortRecord }) };
}

/** The port of this id if it is just what is asked for; undefined if there is none. @throws ID_TAKEN */
function sameAsBefore(world: World, scope: string, id: string, input: PortInput): Stored<'port'> | undefined {
  const have = world.port.get(id);
  if (!have) return undefined;
  const r = have.record;
  const isHost = (ref: string | null | undefined, id: string | undefined): boolean =>
    ref === undefined || (ref && must(world, 'host', '-', ref).record.id) === (id ?? null);
  const same =
    r.tenant === scope &&
    r.network === must(world, 'network', scope, input.network).record.id &&
    (input.name === undefined || input.name === r.name) &&
    (input.mac === undefined || parseMac(input.mac) === r.mac) &&
    (input.addresses === undefined || sorted(input.addresses.map(parseIp)) === sorted(r.addresses)) &&
    isHost(input.host, r.host) &&
    isHost(input.standby, r.standby) &&
    (input.behind === undefined || must(world, 'port', scope, input.behind).record.id === r.behind) &&
    (input.vlan === undefined || input.vlan === r.vlan) &&
    (input.segment === undefined || isDeepStrictEqual(segmentOf(input.segment).segment, r.segment)) &&
    (input.dnsNames === undefined || sorted(input.dnsNames) === sorted(r.dnsNames)) &&
    (input.publish === undefined || sorted(publishOf(input).map(publishKey)) === sorted(r.publish.map(publishKey))) &&
    (input.userData === undefined || input.userData === r.userData) &&
    (input.sshKeys === undefined || sorted(input.sshKeys) === sorted(r.sshKeys ?? [])) &&
    (input.ephemeral === undefined || input.ephemeral === r.ephemeral) &&
    (input.labels === undefined || sorted(Object.entries(input.labels)) === sorted(Object.entries(r.labels)));
  if (!same) throw new HeddleError('ID_TAKEN', { kind: 'port', id });
  return have;
}
const sorted = (list: readonly unknown[]): string =>
  list
    .map((x) => JSON.stringify(x))
    .sort()
    .join();

/** @throws ADDRESS_INVALID; INVALID for two that would have the same port of the host */
function publishOf({ publish = [] }: Pick<PortInput, 'publish'>): Publish[] {
  const parsed = publish.map((p) => ({ ...p, ...(p.hostAddress && { hostAddress: parseHostAddress(p.hostAddress) }) }));
  const places = parsed.map(({ protocol, hostPort, hostAddress = '' }) => `${protocol} ${hostPort} ${hostAddress}`);
  const twice = places.findIndex((p, i) => places.indexOf(p) < i);
  if (twice >= 0)
    throw new HeddleError('INVALID', { field: `publish/${twice}`, problem: 'the same port of the host twice' });
  return parsed;
}
const publishKey = (p: Publish): string => `${p.protocol} ${p.port} ${p.hostPort} ${p.hostAddress ?? ''}`;
