/** What a port is told: out of the host's state alone. Pure. */
import {
  type Ip,
  ipFamily,
  type Prefix,
  parseDestination,
  parsePrefix,
  prefixHas,
  slaacAddress,
} from '../../model/address.ts';
import type { NetworkItem, PortItem } from '../../model/host-state.ts';
import { isSlaac } from '../../model/subnet-dhcp.ts';
import { networkDomain } from '../dns/zone.ts';

/** How long an address is given for, if the subnet does not say; so long a host may be without an agent. */
const LEASE_SECONDS = 86_400;

/** A static route of a subnet. */
export interface StaticRoute {
  readonly to: Prefix;
  readonly via: Ip;
}

/** What is the same in both families. */
interface Common {
  readonly mtuBytes: number;
  readonly dns: readonly Ip[];
  readonly domain: string;
  readonly bootFile?: string;
}
/** What a port is told over IPv4. */
export interface Settings4 extends Common {
  readonly address: Ip;
  /** The gateway's address in its subnet. */
  readonly gateway: Ip;
  /** False: DHCP is off there; who has the address from elsewhere may ask for the rest. */
  readonly isGiven: boolean;
  readonly leaseSeconds: number;
  readonly prefix: Prefix;
  readonly hostName: string;
  readonly routes: readonly StaticRoute[];
  /** A name or an address. */
  readonly bootServer?: string;
}
/** What a port is told over IPv6. */
export interface Settings6 extends Common {
  /** Those that DHCPv6 gives; none if it is off. */
  readonly addresses: readonly { readonly ip: Ip; readonly seconds: number }[];
  /** The port has addresses that it does not make itself, and DHCPv6 gives them. */
  readonly isManaged: boolean;
  /** Those that are on the link. `isMade`: the port's address there is what a station makes of the port's MAC. */
  readonly prefixes: readonly (Prefix & { readonly isMade: boolean })[];
}

/** A subnet of a network, as its item has it, where a gateway is. */
type Subnet = NetworkItem['subnets'][number] & { readonly gateway: Ip };
/** A network as far as it is asked for here. */
export type Network = Pick<NetworkItem, 'name' | 'tenant' | 'subnets'>;
/** A port as far as it is asked for here. */
export type Port = Pick<PortItem, 'name' | 'mac' | 'addresses'>;

/** The port's addresses of a family, each with its subnet; without those of subnets that have no gateway. */
function places(network: Network, port: Port, family: 4 | 6): { ip: Ip; subnet: Subnet; prefix: Prefix }[] {
  return port.addresses
    .filter((ip) => ipFamily(ip) === family)
    .flatMap((ip) => {
      const subnet = network.subnets.find((s) => prefixHas(parsePrefix(s.cidr), ip));
      return subnet?.gateway ? [{ ip, subnet: subnet as Subnet, prefix: parsePrefix(subnet.cidr) }] : [];
    });
}

const isEnabled = ({ dhcp }: Subnet): boolean => dhcp?.enabled ?? true;
const seconds = ({ dhcp }: Subnet): number => dhcp?.leaseSeconds ?? LEASE_SECONDS;
const routesOf = ({ dhcp }: Subnet): StaticRoute[] =>
  (dhcp?.routes ?? []).map(({ destination, via }) => ({ to: parseDestination(destination), via: via as Ip }));

function common(network: Network, subnet: Subnet, mtuBytes: number): Common {
  const { gateway, dhcp } = subnet;
  return {
    mtuBytes,
    dns: (dhcp?.dnsServers as readonly Ip[] | undefined) ?? [gateway],
    domain: dhcp?.domain ?? networkDomain(network),
    ...(dhcp?.bootFile !== undefined && { bootFile: dhcp.bootFile }),
  };
}

/** What DHCPv4 tells a port; undefined if it has no IPv4 address with a gateway. */
export function settings4(network: Network, port: Port, mtuBytes: number): Settings4 | undefined {
  const all = places(network, port, 4);
  const first = all.find(({ subnet }) => isEnabled(subnet)) ?? all[0];
  if (!first) return undefined;
  const { ip, subnet, prefix } = first;
  const { bootServer } = subnet.dhcp ?? {};
  return {
    ...common(network, subnet, mtuBytes),
    address: ip,
    gateway: subnet.gateway,
    isGiven: isEnabled(subnet),
    leaseSeconds: seconds(subnet),
    prefix,
    hostName: port.name,
    routes: routesOf(subnet),
    ...(bootServer !== undefined && { bootServer }),
  };
}

/** What DHCPv6 and router advertisements tell a port; undefined if it has no IPv6 address with a gateway. */
export function settings6(network: Network, port: Port, mtuBytes: number): Settings6 | undefined {
  const all = places(network, port, 6);
  const given = all.filter(({ subnet }) => isEnabled(subnet));
  const [first] = given.length > 0 ? given : all;
  if (!first) return undefined;
  const isMade = ({ ip, subnet, prefix }: (typeof all)[number]) =>
    isSlaac(subnet) && ip === slaacAddress(prefix, port.mac);
  const prefixes = new Map<string, Settings6['prefixes'][number]>();
  for (const place of all) {
    const { cidr } = place.prefix;
    prefixes.set(cidr, { ...place.prefix, isMade: isMade(place) || (prefixes.get(cidr)?.isMade ?? false) });
  }
  return {
    ...common(network, first.subnet, mtuBytes),
    addresses: given.map(({ ip, subnet }) => ({ ip, seconds: seconds(subnet) })),
    isManaged: given.some((place) => !isMade(place)),
    prefixes: [...prefixes.values()],
  };
}
