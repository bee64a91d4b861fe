/** A network and its ports as values, for the unit tests of the DNS. */
import { type Ip, parseIp, parseMac } from '../../model/address.ts';
import type { NetworkItem, PortItem } from '../../model/host-state.ts';
import { type HostNumber, type NetworkId, newId, type PortId, type Vni } from '../../model/ids.ts';

export const testNetwork = (over: Partial<NetworkItem> = {}): NetworkItem => ({
  kind: 'network',
  id: newId<NetworkId>(),
  name: 'Web',
  tenant: 'acme',
  vni: 7 as Vni,
  sourceNat: false,
  publishFrom: [],
  member: true,
  subnets: [{ cidr: '10.0.0.0/24', gateway: parseIp('10.0.0.1') }, { cidr: 'fd00:1::/64' }],
  ...over,
});

export const testPort = (name: string, addresses: readonly string[], over: Partial<PortItem> = {}): PortItem => ({
  kind: 'port',
  id: newId<PortId>(),
  name,
  dnsNames: [],
  network: newId<NetworkId>(),
  mac: parseMac('02:00:00:00:00:01'),
  addresses: addresses.map((a): Ip => parseIp(a)),
  host: 1 as HostNumber,
  publish: [],
  revision: '1',
  ...over,
});
