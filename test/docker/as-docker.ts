/** What an engine calls, as its commands make it. */
import type { Stage } from './stage.ts';

/** An id as Docker's are. */
export const nid = (n: number) => n.toString(16).padStart(8, '0').repeat(8);
export const portMap = 'com.docker.network.portmap';
export const generic = 'com.docker.network.generic';
export const internal = 'com.docker.network.internal';
/** A request for a pool. */
export const pool = (options: Record<string, string> = {}, fields: object = {}) => ({
  ...{ AddressSpace: 'heddle', Pool: '', SubPool: '', Options: options, V6: false },
  ...fields,
});
export const gatewayRequest = { RequestAddressType: 'com.docker.network.gateway' };

/** A Docker network as `docker network create` makes it; its id and pools. */
export async function network(
  stage: Stage,
  n: number,
  { ipam = {}, fields = {}, v6 = false, driver = {}, options = {} } = {},
) {
  const families = v6 ? [false, true] : [false];
  const pools = [];
  for (const V6 of families)
    pools.push(await stage.ok('IpamDriver.RequestPool', pool(ipam, { ...(V6 ? {} : fields), V6 })));
  const data = pools.map((p) => ({
    AddressSpace: 'heddle',
    Pool: p.Pool,
    Gateway: p.Data['com.docker.network.gateway'],
  }));
  const create = {
    NetworkID: nid(n),
    Options: { [generic]: driver, ...options },
    IPv4Data: data.slice(0, 1),
    IPv6Data: data.slice(1),
  };
  const { body } = await stage.post('NetworkDriver.CreateNetwork', create);
  return { id: nid(n), pools: pools.map((p) => p.PoolID as string), create, problem: body.Err as string | undefined };
}
/** An endpoint as `docker run` makes it. */
export async function endpoint(
  stage: Stage,
  of: { id: string; pools: readonly string[] },
  e: number,
  iface = {},
  options = {},
) {
  const addresses: string[] = [];
  for (const PoolID of of.pools)
    addresses.push((await stage.ok('IpamDriver.RequestAddress', { PoolID, Address: '', Options: null })).Address);
  const ids = { NetworkID: of.id, EndpointID: nid(1000 + e) };
  const Interface = { Address: addresses[0], AddressIPv6: addresses[1] ?? '', MacAddress: '', ...iface };
  const created = await stage.ok('NetworkDriver.CreateEndpoint', { ...ids, Interface, Options: options });
  return { ...ids, addresses, created };
}
