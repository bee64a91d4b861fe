import { type Ip, ipFamily, ipNumber, type Prefix, parseDestination, parseIp, prefixHas } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { SubnetDhcp } from '../model/subnet-dhcp.ts';
import { reserved } from './reserved.ts';

/**
 * What a subnet's workloads are to be told, in canonical form.
 * @throws INVALID, PREFIX_INVALID, ADDRESS_INVALID, ROUTE_INVALID
 */
export function parseDhcp(prefix: Prefix, gateway: Ip | undefined, dhcp: SubnetDhcp): SubnetDhcp {
  const invalid = (field: string, problem: string) => new HeddleError('INVALID', { field: `dhcp/${field}`, problem });
  if (!gateway)
    throw new HeddleError('INVALID', {
      field: 'dhcp',
      problem: 'the subnet has no gateway address, from which DHCP is answered: make it anew with one',
    });
  for (const field of ['routes', 'bootServer'] as const)
    if (prefix.family === 6 && dhcp[field] !== undefined)
      throw invalid(field, 'DHCPv6 has nothing like it; leave it out');
  if (prefix.family === 4 && dhcp.ipv6 !== undefined) throw invalid('ipv6', 'the subnet is of IPv4; leave it out');
  if (dhcp.ipv6 === 'slaac' && prefix.length !== 64)
    throw invalid('ipv6', `stations make addresses in a /64, and this is a /${prefix.length}`);
  const dnsServers = dhcp.dnsServers?.map((text) => {
    const server = parseIp(text);
    if (ipFamily(server) !== prefix.family) throw invalid('dnsServers', `${server} is not of IPv${prefix.family}`);
    return server;
  });
  const routes = dhcp.routes && parseRoutes(prefix, gateway, dhcp.routes);
  return { ...dhcp, ...(dnsServers && { dnsServers }), ...(routes && { routes }) };
}

function parseRoutes(prefix: Prefix, gateway: Ip, routes: NonNullable<SubnetDhcp['routes']>): SubnetDhcp['routes'] {
  const seen = new Set<string>();
  return routes.map(({ destination: text, via: hop }) => {
    const to = parseDestination(text);
    const via = parseIp(hop);
    const bad = (problem: string) => new HeddleError('ROUTE_INVALID', { destination: to.cidr, problem });
    if (to.family !== prefix.family) throw bad(`it is not of IPv${prefix.family}`);
    if (to.length === 0) throw bad('the default route leads to the gateway');
    if (seen.has(to.cidr)) throw bad('it is there twice');
    seen.add(to.cidr);
    if (!prefixHas(prefix, via)) throw bad(`its next hop ${via} is not within ${prefix.cidr}`);
    const why = reserved(prefix, undefined).get(ipNumber(via));
    if (why && via !== gateway) throw bad(`${via} cannot be its next hop: ${why}`);
    return { destination: to.cidr, via };
  });
}
