/** The parts of a write by which addresses come to a lease, or go from it. */
import type { Ip, Mac } from '../model/address.ts';
import { freeMac, type Held, inPools, macOf } from './addresses.ts';
import type { Draft } from './draft.ts';
import { claims, objectKey } from './keys.ts';
import type { LeaseRecord, PortRecord, Stored } from './records.ts';
import type { RuleContext } from './rules.ts';
import { refuseForeign } from './slaac.ts';
import type { World } from './world.ts';

const ipKey = (world: World, network: string, ip: Ip): string => claims.ip(world.subnetOf(network, ip)!, ip);

/** A free address comes to a lease, with its MAC. @throws ADDRESS_NOT_OF_MAC, MAC_TAKEN */
export function hold(ctx: RuleContext, draft: Draft, { id, network }: LeaseRecord, ip: Ip): Held {
  const mac = macOf(ctx, network, [ip]);
  refuseForeign(ctx.world, network, mac, [ip]);
  const subnet = ctx.world.subnetOf(network, ip)!;
  draft.require(objectKey('subnet', ctx.world.subnet.get(subnet)!.record));
  draft.claim(claims.ip(subnet, ip), id).claim(claims.mac(network, mac), id);
  return { ip, mac };
}

/** A lease gives addresses back. */
export function letGo(world: World, draft: Draft, network: string, addresses: readonly Held[]): void {
  for (const { ip, mac } of addresses) draft.release(ipKey(world, network, ip)).release(claims.mac(network, mac));
}

/** A port takes addresses over from its host's lease; if `mac` is one of theirs, that too. */
export function takeOver(
  world: World,
  draft: Draft,
  lease: Stored<'lease'>,
  port: Pick<PortRecord, 'id' | 'addresses' | 'mac'>,
): void {
  const { network, addresses } = lease.record;
  const taken = addresses.filter(({ ip }) => port.addresses.includes(ip));
  if (taken.length === 0) return;
  for (const { ip, mac } of taken) {
    draft.put(ipKey(world, network, ip), port.id);
    if (mac === port.mac) draft.put(claims.mac(network, mac), port.id);
    else draft.release(claims.mac(network, mac));
  }
  draft.update(lease, { ...lease.record, addresses: addresses.filter((held) => !taken.includes(held)) });
}

/**
 * The addresses of a port that goes come back to its host's lease, so that a host which was offline can still give them to
 * its next port. Those outside the pools nobody is given by himself: they are free.
 */
export function giveBack(ctx: RuleContext, draft: Draft, lease: Stored<'lease'>, port: PortRecord): void {
  const { id, network, addresses } = lease.record;
  let left: Mac | undefined = port.mac;
  const back = port.addresses
    .filter((ip) => inPools(ctx.world, network, ip))
    .map((ip) => {
      const mac = freeMac(ctx, network, ip, left);
      draft.put(ipKey(ctx.world, network, ip), id);
      if (mac === left) draft.put(claims.mac(network, mac), id);
      else draft.claim(claims.mac(network, mac), id);
      if (mac === left) left = undefined;
      return { ip, mac };
    });
  if (back.length > 0) draft.update(lease, { ...lease.record, addresses: [...addresses, ...back] });
}
