/**
 * From what tenants asked for to what one host must know. `compileHost` defines the answer; the controller's incremental
 * publisher asks `hostItem` for single items, and tests compare the two.
 */
import { type Ip, ipFamily, type Mac } from '../model/address.ts';
import { type HostItem, type ItemKey, itemKey, portKey, type ServerItem } from '../model/host-state.ts';
import type {
  AddressId,
  HostId,
  HostNumber,
  LeaseId,
  NetworkId,
  PlaceNumber,
  PortId,
  RouterId,
  SubnetId,
  TenantId,
  Vni,
} from '../model/ids.ts';
import type { Publish, Segment } from '../model/kinds.ts';
import { type Briefing, briefingOf } from '../model/metadata.ts';
import type { PublishedPlace } from '../model/published-place.ts';
import type { SubnetDhcp } from '../model/subnet-dhcp.ts';
import { bindingOf } from './binding.ts';

interface Revised<R> {
  readonly record: R;
  readonly revision: bigint;
}

/** The part of all objects that hosts need, with indexes. What it lists must exist; order has no meaning. */
export interface Snapshot {
  readonly tenant: ReadonlyMap<string, Revised<{ name: string }>>;
  readonly network: ReadonlyMap<
    string,
    Revised<{
      id: NetworkId;
      name: string;
      tenant: TenantId;
      vni: Vni;
      mtuBytes?: number;
      sourceNat: boolean;
      publishFrom: readonly string[];
      mssClamp: boolean;
    }>
  >;
  readonly subnet: ReadonlyMap<
    string,
    Revised<{
      network: NetworkId;
      cidr: string;
      gateway?: Ip;
      pools: readonly { readonly first: Ip; readonly last: Ip }[];
      dhcp?: SubnetDhcp;
    }>
  >;
  readonly port: ReadonlyMap<
    string,
    Revised<
      {
        id: PortId;
        name: string;
        dnsNames: readonly string[];
        network: NetworkId;
        mac: Mac;
        addresses: readonly Ip[];
        host?: HostId;
        standby?: HostId;
        origin?: HostId;
        behind?: PortId;
        vlan?: number;
        segment?: Segment;
        place?: PlaceNumber;
        ephemeral: boolean;
        publish: readonly Publish[];
      } & Briefing
    >
  >;
  readonly address: ReadonlyMap<
    string,
    Revised<{
      id: AddressId;
      name: string;
      network: NetworkId;
      address: Ip;
      ports: readonly string[];
      holder?: PortId;
    }>
  >;
  readonly lease: ReadonlyMap<
    string,
    Revised<{
      id: LeaseId;
      network: NetworkId;
      host: HostId;
      size: number;
      addresses: readonly { ip: Ip; mac: Mac }[];
    }>
  >;
  readonly router: ReadonlyMap<
    string,
    Revised<{
      id: RouterId;
      name: string;
      tenant: TenantId;
      domain: Vni;
      subnets: readonly SubnetId[];
      routes: readonly { destination: string; via?: Ip }[];
      translations: readonly { subnet: SubnetId; as: string }[];
    }>
  >;
  readonly host: ReadonlyMap<
    string,
    Revised<{
      id: HostId;
      name: string;
      number: HostNumber;
      vtep: Ip;
      mtuBytes: number;
      addresses: readonly Ip[];
      held: readonly PublishedPlace[];
      openPorts: readonly string[];
      revoked: boolean;
    }>
  >;
  readonly portsOfNetwork: Index;
  readonly addressesOfNetwork: Index;
  readonly subnetsOfNetwork: Index;
  /** The lease of a host in a network. */
  leaseOf(network: string, host: string): string | undefined;
  /** The subnet that an address of a network falls in. */
  subnetOf(network: string, ip: Ip): string | undefined;
  readonly views: {
    /** Hosts that have a bound port or a lease in the network: its members. */
    readonly hostsOfNetwork: Index;
    /** The router that joins subnets of the network. */
    routerOf(network: string): string | undefined;
    /** Members of the network, of those that a router joins to it, and of its peers'. */
    views(host: string, network: string): boolean;
    /** It views the network, and not by a peer of a router alone. */
    isNear(host: string, network: string): boolean;
    viewedBy(host: string): Iterable<string>;
    /** The routers whose subnets it reaches besides its own. */
    peersOf(router: string): Iterable<string>;
    /** The host is a member of a network that the router joins. */
    isAt(host: string, router: string): boolean;
    /** One is a member of a network that the other views. */
    meet(a: string, b: string): boolean;
  };
}
interface Index {
  of(key: string): Iterable<string>;
  has(key: string, member: string): boolean;
}

/** The whole state of a host: the networks that it views, their routers, all bound ports and members of those, and its leases. */
export function compileHost(s: Snapshot, host: string): Map<ItemKey, HostItem> {
  const out = new Map<ItemKey, HostItem>();
  for (const key of hostKeys(s, host)) {
    const item = hostItem(s, host, key);
    if (item) out.set(key, item);
  }
  return out;
}

/**
 * Keys of all items that a host has to know; a peer comes once for each shared network. Other hosts come first: what is
 * closed to workloads is known before there are any.
 */
export function* hostKeys(s: Snapshot, host: string): Generator<ItemKey> {
  for (const id of s.host.keys()) if (id !== host) yield itemKey({ kind: 'server', id: id as HostId });
  for (const network of s.views.viewedBy(host)) yield* networkKeys(s, network, host);
}

/** Keys of what a host learns or forgets with one network; the router's comes with each of its networks. */
export function* networkKeys(s: Snapshot, network: string, host: string): Generator<ItemKey> {
  yield itemKey({ kind: 'network', id: network as NetworkId });
  const router = s.views.routerOf(network);
  if (router) yield itemKey({ kind: 'router', id: router as RouterId });
  const lease = s.leaseOf(network, host);
  if (lease) yield itemKey({ kind: 'lease', id: lease as LeaseId });
  for (const id of s.portsOfNetwork.of(network)) if (isBound(s, id)) yield portKey(id as PortId);
  for (const id of s.addressesOfNetwork.of(network)) yield itemKey({ kind: 'address', id: id as AddressId });
  for (const id of s.views.hostsOfNetwork.of(network))
    if (id !== host) yield itemKey({ kind: 'peer', id: id as HostId });
}

function isBound(s: Snapshot, id: string): boolean {
  const port = s.port.get(id)?.record;
  return port !== undefined && bindingOf(s.port, port).host !== undefined;
}

/** One item as a host must see it; undefined if it must not. Cost: the host's networks for a peer, the router's size for a router, else constant. */
export function hostItem(s: Snapshot, host: string, key: ItemKey): HostItem | undefined {
  const slash = key.indexOf('/');
  const id = key.slice(slash + 1);
  switch (key.slice(0, slash) as HostItem['kind']) {
    case 'network':
      return s.views.views(host, id) ? networkItem(s, host, id) : undefined;
    case 'router':
      return routerItem(s, host, id);
    case 'port':
      return portItem(s, host, id);
    case 'address':
      return addressItem(s, host, id);
    case 'lease':
      return leaseItem(s, host, id);
    case 'peer':
      return peerItem(s, host, id);
    case 'server':
      return serverItem(s, host, id);
  }
}

function networkItem(s: Snapshot, host: string, id: string): HostItem | undefined {
  const network = s.network.get(id)?.record;
  if (!network) return undefined;
  const router = s.router.get(s.views.routerOf(id) ?? '')?.record;
  const routed = new Set<string>(router?.subnets);
  // Of a peer's network a host learns what is joined, and no more.
  const near = s.views.isNear(host, id);
  const member = s.views.hostsOfNetwork.has(id, host);
  const ids = [...s.subnetsOfNetwork.of(id)].filter((subnet) => near || routed.has(subnet)).sort();
  return {
    kind: 'network',
    id: network.id,
    name: network.name,
    tenant: s.tenant.get(network.tenant)?.record.name ?? network.tenant,
    vni: network.vni,
    ...(network.mtuBytes === undefined ? {} : { mtuBytes: network.mtuBytes }),
    sourceNat: network.sourceNat,
    publishFrom: near ? network.publishFrom : [],
    ...(network.mssClamp && { mssClamp: true as const }),
    member,
    ...(router ? { domain: router.domain } : {}),
    subnets: ids.flatMap((subnet) => {
      const record = s.subnet.get(subnet)?.record;
      if (!record) return [];
      const { cidr, gateway, pools, dhcp } = record;
      const more = {
        // Only members have segments, whose hosts ask there for what is given next.
        ...(member && ipFamily(cidr) === 4 && { pools }),
        ...(routed.has(subnet) && { routed: true as const }),
        ...(near && dhcp && { dhcp }),
      };
      return { cidr, ...(gateway ? { gateway } : {}), ...more };
    }),
  };
}

function routerItem(s: Snapshot, host: string, id: string): HostItem | undefined {
  const router = s.router.get(id)?.record;
  if (!router || !s.views.isAt(host, id)) return undefined;
  const others = [...s.views.peersOf(id)].flatMap((peer) => s.router.get(peer)?.record ?? []);
  const peers = new Set(others.flatMap(({ subnets }) => subnets));
  const as = new Map<string, string>(
    [router, ...others].flatMap(({ translations }) => translations.map((t) => [t.subnet, t.as])),
  );
  const { name, domain, routes } = router;
  const own = new Set<string>(router.subnets);
  const networks = new Set(router.subnets.flatMap((subnet) => s.subnet.get(subnet)?.record.network ?? []));
  const besides = [...networks]
    .flatMap((network) => [...s.subnetsOfNetwork.of(network)])
    .filter((ref) => !own.has(ref));
  return {
    kind: 'router',
    id: router.id,
    name,
    tenant: s.tenant.get(router.tenant)?.record.name ?? router.tenant,
    domain,
    subnets: [...own.union(peers)].sort().flatMap((subnet) => {
      const { network: ref = '', cidr, gateway } = s.subnet.get(subnet)?.record ?? {};
      const on = s.network.get(ref)?.record;
      if (!on || cidr === undefined || gateway === undefined) return [];
      const { vni, mtuBytes } = on;
      const more = {
        ...(mtuBytes === undefined ? {} : { mtuBytes }),
        ...(!own.has(subnet) && { peer: true as const }),
        ...(as.has(subnet) && { as: as.get(subnet)! }),
      };
      return { network: on.id, vni, cidr, gateway, ...more };
    }),
    besides: besides.flatMap((subnet) => s.subnet.get(subnet)?.record.cidr ?? []).sort(),
    routes,
  };
}

function portItem(s: Snapshot, host: string, id: string): HostItem | undefined {
  const port = s.port.get(id);
  const bound = port ? bindingOf(s.port, port.record) : {};
  const on = s.host.get(bound.host ?? '');
  if (!port || !on || !s.views.views(host, port.record.network)) return undefined;
  const { name, dnsNames, network, mac, addresses, publish, behind, vlan, segment, place } = port.record;
  const other = s.host.get(bound.standby ?? '');
  const here = on.record.id === host;
  const machineAt = s.port.get(behind ?? '')?.record.place;
  const at = machineAt
    ? { host: machineAt }
    : { host: on.record.number, ...(other && { standby: other.record.number }) };
  const common = {
    kind: 'port',
    id: port.record.id,
    network,
    mac,
    ...at,
    ...(place !== undefined && { place }),
  } as const;
  const revision = String(port.revision);
  if (!s.views.isNear(host, network)) {
    const reached = addresses.filter((ip) => isJoined(s, network, ip));
    // Where a segment is, machines are that they reach.
    return reached.length > 0 || place !== undefined
      ? { ...common, name: '', dnsNames: [], addresses: reached, publish: [], revision }
      : undefined;
  }
  const learned = port.record.ephemeral && s.port.get(behind ?? '')?.record.segment && { learned: true as const };
  const isWired = here || bound.standby === host;
  const inFront = isWired && behind !== undefined && { behind, ...(vlan !== undefined && { vlan }), ...learned };
  const origin = isWired || bound.origin === host ? s.host.get(bound.origin ?? '')?.record.number : undefined;
  const told = { publish: here || bound.origin === host ? publish : [], ...(here && briefingOf(port.record)) };
  return {
    ...common,
    ...inFront,
    ...(origin !== undefined && { origin }),
    ...(segment && { segment }),
    name,
    dnsNames,
    addresses,
    ...told,
    revision,
  };
}

/** The address lies in a subnet that the network's router joins. */
function isJoined(s: Snapshot, network: string, ip: Ip): boolean {
  const joined: readonly string[] = s.router.get(s.views.routerOf(network) ?? '')?.record.subnets ?? [];
  return joined.includes(s.subnetOf(network, ip) ?? '');
}

function addressItem(s: Snapshot, host: string, id: string): HostItem | undefined {
  const shared = s.address.get(id)?.record;
  if (!shared || !s.views.views(host, shared.network)) return undefined;
  const { name, network, address, ports, holder } = shared;
  const common = { kind: 'address', id: shared.id, network, address, ...(holder && { holder }) } as const;
  if (s.views.isNear(host, network)) return { ...common, name, ports };
  return isJoined(s, network, address) ? { ...common, name: '', ports: [] } : undefined;
}

function leaseItem(s: Snapshot, host: string, id: string): HostItem | undefined {
  const lease = s.lease.get(id)?.record;
  if (lease?.host !== host) return undefined;
  const { network, size, addresses } = lease;
  return { kind: 'lease', id: lease.id, network, size, addresses };
}

function serverItem(s: Snapshot, host: string, id: string): HostItem | undefined {
  const server = s.host.get(id)?.record;
  if (!server || server.revoked || id === host) return undefined;
  const item = serverItems.get(server) ?? serverItemOf(server);
  serverItems.set(server, item);
  return item;
}

type Server = NonNullable<ReturnType<Snapshot['host']['get']>>['record'];
/** Every host but one gets the same: made once for each record. */
const serverItems = new WeakMap<Server, ServerItem>();

function serverItemOf({ id, vtep, addresses, held, openPorts }: Server): ServerItem {
  const open = openPorts.map((port) => port.replace('/', ' ') as PublishedPlace);
  const reached = [...new Set([...held, ...open])].sort();
  return { kind: 'server', id, addresses: [vtep, ...addresses], reached };
}

function peerItem(s: Snapshot, host: string, id: string): HostItem | undefined {
  const peer = s.host.get(id)?.record;
  if (!peer || peer.revoked || id === host || !s.views.meet(host, id)) return undefined;
  const { name, number, vtep, mtuBytes } = peer;
  return { kind: 'peer', id: peer.id, name, number, vtep, mtuBytes };
}
