/** Subnets whose addresses stations make of their MACs (RFC 4862 §5.5.3): there an address says the MAC, and a MAC the address. */
import { gatewayMac, type Ip, ipNumber, type Mac, macOfSlaac, macText, slaacAddress } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import { isSlaac } from '../model/subnet-dhcp.ts';
import { claims } from './keys.ts';
import type { SubnetRecord } from './records.ts';
import { reserved } from './reserved.ts';
import type { RuleContext } from './rules.ts';
import type { World } from './world.ts';

function subnetOf(world: World, network: string, ip: Ip): SubnetRecord | undefined {
  const subnet = world.subnet.get(world.subnetOf(network, ip) ?? '')?.record;
  return subnet && isSlaac(subnet) ? subnet : undefined;
}

/** The MAC that a port of this address must have; undefined if that does not follow from the address. */
export const slaacMac = (world: World, network: string, ip: Ip): Mac | undefined =>
  subnetOf(world, network, ip) && macOfSlaac(ip);

/** Addresses that nobody has, of MACs that nobody has, without end: locally administered ones (IEEE 802 §8.4.2). */
export function* freeSlaac({ world, pending, randomBytes }: RuleContext, subnet: SubnetRecord): Generator<Ip> {
  const use = world.use(subnet.id);
  const refused = reserved(use.prefix, subnet.gateway);
  for (;;) {
    const mac = macText([0x02, ...randomBytes(5)]);
    const ip = slaacAddress(use.prefix, mac);
    const n = ipNumber(ip);
    const isTaken =
      mac === gatewayMac ||
      refused.has(n) ||
      use.ownerOf('port', n) !== undefined ||
      use.ownerOf('lease', n) !== undefined ||
      world.ownerOfMac(subnet.network, mac) !== undefined ||
      pending(claims.mac(subnet.network, mac));
    if (!isTaken) yield ip;
  }
}

/** What a station with this MAC makes of its own in such subnets may be no other one's. @throws ADDRESS_NOT_OF_MAC */
export function refuseForeign(world: World, network: string, mac: Mac, addresses: readonly Ip[]): void {
  for (const address of addresses) {
    const subnet = subnetOf(world, network, address);
    const own = subnet && slaacAddress(world.use(subnet.id).prefix, mac);
    if (own && own !== address) throw new HeddleError('ADDRESS_NOT_OF_MAC', { address, mac, own });
  }
}
