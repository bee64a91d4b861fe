/**
 * The one table of resource kinds. Validation, routes, OpenAPI, CLI flags and columns, and the reference page iterate it;
 * a new kind is an entry here, its rules in the controller, and its part in `compile`.
 *
 * `input` is what a client may write, `output` what it reads: the input's fields, filled in, plus what the system gives.
 */
import { type Static, type TObject, Type } from '#typebox';
import { AddressInput, SharedAddress } from './address-schema.ts';
import { Address, Id, Labels, limits, Mtu, Name, Ref, Revision, strict, system } from './fields.ts';
import { VNI_MAX } from './ids.ts';
import { Port, PortInput } from './port-schema.ts';
import { SubnetDhcp } from './subnet-dhcp.ts';

export type { SharedAddress } from './address-schema.ts';
export type { Port, PortInput, PortStatus, Publish, Segment } from './port-schema.ts';

const TenantInput = Type.Object({ name: Name, labels: Type.Optional(Labels) }, strict);
const Tenant = Type.Object({ ...system, name: Name, labels: Labels }, strict);

const sourceNat = Type.Boolean({
  description: 'Workloads reach the outside under the address of the host that they are on; default: false',
});
const publishFrom = Type.Array(Type.String({ minLength: 3, maxLength: 49 }), {
  maxItems: limits.publishFrom,
  description: 'Prefixes whose clients may use the ports that workloads of the network publish; default: all',
});

const mssClamp = Type.Boolean({
  description:
    'TCP connections of its workloads begin with segments that fit the way, whatever the workloads believe to fit; default: false',
});

const NetworkInput = Type.Object(
  {
    name: Name,
    vni: Type.Optional(
      Type.Integer({ minimum: 1, maximum: VNI_MAX, description: 'VXLAN network identifier; allocated if absent' }),
    ),
    mtuBytes: Type.Optional(Mtu),
    sourceNat: Type.Optional(sourceNat),
    publishFrom: Type.Optional(publishFrom),
    mssClamp: Type.Optional(mssClamp),
    labels: Type.Optional(Labels),
  },
  strict,
);
const Network = Type.Object(
  {
    ...system,
    tenant: Id,
    name: Name,
    vni: Type.Integer(),
    mtuBytes: Type.Optional(Mtu),
    sourceNat,
    publishFrom,
    mssClamp,
    labels: Labels,
  },
  strict,
);

const Pool = Type.Object(
  { first: Address, last: Address },
  { ...strict, description: 'Addresses given to ports by themselves, both ends included' },
);
const SubnetInput = Type.Object(
  {
    name: Name,
    network: Ref('network'),
    cidr: Type.String({ minLength: 3, maxLength: 49, description: 'Prefix, as 10.0.0.0/24 or fd00::/64' }),
    gateway: Type.Optional(
      Type.Union([Address, Type.Null()], { description: 'Default: the first address; null: no gateway' }),
    ),
    pools: Type.Optional(
      Type.Array(Pool, { maxItems: limits.poolsPerSubnet, description: 'Default: the whole prefix' }),
    ),
    dhcp: Type.Optional(SubnetDhcp),
    labels: Type.Optional(Labels),
  },
  strict,
);
const Subnet = Type.Object(
  {
    ...system,
    tenant: Id,
    name: Name,
    network: Id,
    cidr: Type.String(),
    gateway: Type.Optional(Address),
    pools: Type.Array(Pool),
    dhcp: Type.Optional(SubnetDhcp),
    labels: Labels,
  },
  strict,
);

const leaseSize = Type.Integer({
  minimum: 0,
  maximum: limits.leaseSize,
  description: 'Addresses of each family of the network that the host is to have at hand',
});
const LeaseInput = Type.Object(
  {
    name: Type.Optional(Name),
    network: Ref('network'),
    host: Ref('host'),
    size: leaseSize,
    addresses: Type.Optional(
      Type.Array(Address, {
        maxItems: 2 * limits.leaseSize,
        description: 'Those that it holds besides what `size` adds; on update: those not named are given back',
      }),
    ),
    labels: Type.Optional(Labels),
  },
  strict,
);
const Lease = Type.Object(
  {
    ...system,
    tenant: Id,
    name: Name,
    network: Id,
    host: Id,
    size: leaseSize,
    addresses: Type.Array(Address, { description: 'Held for the host, and no port has them yet' }),
    labels: Labels,
  },
  strict,
);

const Route = Type.Object(
  {
    destination: Type.String({ minLength: 2, maxLength: 49, description: 'Prefix, as 10.9.0.0/16, or one address' }),
    via: Type.Optional({
      ...Address,
      description: 'The next hop, in one of the subnets; default: what goes there is dropped',
    }),
  },
  { ...strict, description: 'Where packets to a prefix go that none of the subnets has' },
);
export type Route = Static<typeof Route>;
const routes = Type.Array(Route, {
  maxItems: limits.routesPerRouter,
  description: 'Where packets go that are for none of the subnets; the longest prefix counts',
});
const Translation = Type.Object(
  {
    subnet: Ref('subnet'),
    as: Type.String({ minLength: 3, maxLength: 49, description: 'A prefix of the same length, as 100.64.1.0/24' }),
  },
  { ...strict, description: 'How peers see a joined subnet: its addresses, bit by bit, under another prefix' },
);
export type Translation = Static<typeof Translation>;
const translations = Type.Array(Translation, {
  maxItems: limits.subnetsPerRouter,
  description: 'Prefixes under which peers see subnets, for those whose addresses they have themselves',
});
const peers = Type.Array(Id, {
  maxItems: limits.peersPerRouter,
  description:
    'Ids of routers, of other tenants too, whose subnets it is to reach: connected when both name each other',
});
const RouterInput = Type.Object(
  {
    name: Name,
    subnets: Type.Optional(
      Type.Array(Ref('subnet'), {
        maxItems: limits.subnetsPerRouter,
        description: 'What it joins: each with a gateway address, and none that overlap',
      }),
    ),
    routes: Type.Optional(routes),
    peers: Type.Optional(peers),
    translations: Type.Optional(translations),
    labels: Type.Optional(Labels),
  },
  {
    ...strict,
    description: `Joins subnets of a tenant, and reaches those of its peers; a tenant has at most ${limits.routersPerTenant}`,
  },
);
const Router = Type.Object(
  {
    ...system,
    tenant: Id,
    name: Name,
    domain: Type.Integer({ description: 'Its number in every datapath, from the pool of VNIs' }),
    subnets: Type.Array(Id),
    routes,
    peers,
    activePeers: Type.Array(Id, { description: 'Those that name it too' }),
    translations,
    labels: Labels,
  },
  strict,
);

const hostAddresses = Type.Array(Address, {
  maxItems: limits.addressesPerHost,
  description: 'Further ones by which it is reached, as its agent tells; closed to workloads of other hosts',
});
const openPorts = Type.Array(Type.String({ pattern: '^(tcp|udp)/[1-9][0-9]{0,4}$' }), {
  maxItems: limits.openPortsPerHost,
  description: 'Ports of its own, as tcp/443, that workloads on other hosts may use',
});
const HostInput = Type.Object(
  {
    name: Name,
    vtep: Address,
    mtuBytes: Type.Optional(Type.Integer({ minimum: 1350, maximum: 65_535, description: 'Underlay MTU' })),
    addresses: Type.Optional(hostAddresses),
    openPorts: Type.Optional(openPorts),
    labels: Type.Optional(Labels),
  },
  strict,
);
const HostStatus = Type.Object(
  {
    condition: Type.Enum(['online', 'offline']),
    appliedRevision: Type.Optional(Revision),
    version: Type.Optional(Type.String()),
    kernel: Type.Optional(Type.String()),
  },
  strict,
);
const Host = Type.Object(
  {
    ...system,
    name: Name,
    number: Type.Integer({ description: 'Index of its VTEP in every datapath' }),
    vtep: Address,
    mtuBytes: Type.Integer(),
    addresses: hostAddresses,
    openPorts,
    labels: Labels,
    status: HostStatus,
  },
  strict,
);

type TenantInput = Static<typeof TenantInput>;
type NetworkInput = Static<typeof NetworkInput>;
export type SubnetInput = Static<typeof SubnetInput>;
export type LeaseInput = Static<typeof LeaseInput>;
export type RouterInput = Static<typeof RouterInput>;
export type HostInput = Static<typeof HostInput>;
export type Tenant = Static<typeof Tenant>;
export type Network = Static<typeof Network>;
export type Subnet = Static<typeof Subnet>;
export type Lease = Static<typeof Lease>;
export type Router = Static<typeof Router>;
export type Host = Static<typeof Host>;
export type HostStatus = Static<typeof HostStatus>;

/** How a kind behaves everywhere. */
export interface KindSpec {
  readonly plural: string;
  /** `tenant`: lives under /v1/tenants/{tenant}/; `cluster`: under /v1/. */
  readonly scope: 'cluster' | 'tenant';
  readonly summary: string;
  readonly input: TObject;
  readonly output: TObject;
  /** Fields of the input that an update may change. */
  readonly mutable: readonly string[];
  /** Fields that name another kind's object, or a list of them. */
  readonly refersTo: Readonly<Record<string, Kind>>;
  /** Fields a list can be filtered by, besides `name` and `label`. */
  readonly filters: readonly string[];
  /** Columns of a table for people. */
  readonly columns: readonly string[];
  /** What an object takes of its tenant's quotas, by unit: so many, or as many as a field of it has items. */
  readonly counts: Readonly<Record<string, 1 | string>>;
  /** A body that works, for help and reference. */
  readonly example: Readonly<Record<string, unknown>>;
}
export type Kind = 'tenant' | 'network' | 'subnet' | 'port' | 'address' | 'lease' | 'router' | 'host';

export const kinds: Readonly<Record<Kind, KindSpec>> = {
  tenant: {
    plural: 'tenants',
    scope: 'cluster',
    summary: 'The boundary of isolation: its names and addresses are its own',
    input: TenantInput,
    output: Tenant,
    mutable: ['name', 'labels'],
    refersTo: {},
    filters: [],
    columns: ['name', 'id'],
    counts: {},
    example: { name: 'acme' },
  },
  network: {
    plural: 'networks',
    scope: 'tenant',
    summary: 'One L2 segment that spans all hosts',
    input: NetworkInput,
    output: Network,
    mutable: ['name', 'mtuBytes', 'sourceNat', 'publishFrom', 'mssClamp', 'labels'],
    refersTo: {},
    filters: [],
    columns: ['name', 'vni', 'mtuBytes', 'id'],
    counts: { networks: 1 },
    example: { name: 'web' },
  },
  subnet: {
    plural: 'subnets',
    scope: 'tenant',
    summary: 'A prefix on a network, with pools and gateway',
    input: SubnetInput,
    output: Subnet,
    mutable: ['name', 'pools', 'dhcp', 'labels'],
    refersTo: { network: 'network' },
    filters: ['network'],
    columns: ['name', 'network', 'cidr', 'gateway', 'id'],
    counts: { subnets: 1 },
    example: { name: 'web-v4', network: 'web', cidr: '10.0.0.0/24' },
  },
  port: {
    plural: 'ports',
    scope: 'tenant',
    summary: 'One attachment point: MAC, addresses, and the host it is bound to',
    input: PortInput,
    output: Port,
    mutable: [
      'name',
      'addresses',
      'host',
      'standby',
      'origin',
      'segment',
      'dnsNames',
      'publish',
      'userData',
      'sshKeys',
      'labels',
    ],
    refersTo: { network: 'network', host: 'host', standby: 'host', origin: 'host', behind: 'port' },
    filters: ['network', 'host', 'behind'],
    columns: ['name', 'network', 'mac', 'addresses', 'host', 'status', 'id'],
    counts: { ports: 1, addresses: 'addresses' },
    example: { name: 'db1', network: 'web' },
  },
  address: {
    plural: 'addresses',
    scope: 'tenant',
    summary: 'An address that several ports of a network may have, and one has at a time',
    input: AddressInput,
    output: SharedAddress,
    mutable: ['name', 'ports', 'holder', 'heardMs', 'labels'],
    refersTo: { network: 'network', holder: 'port' },
    filters: ['network'],
    columns: ['name', 'network', 'address', 'ports', 'holder', 'id'],
    counts: { addresses: 1 },
    example: { name: 'vip', network: 'web', address: '10.0.0.100', ports: ['lb1', 'lb2'] },
  },
  lease: {
    plural: 'leases',
    scope: 'tenant',
    summary: 'Addresses of a network that one host holds, so that it attaches workloads without asking',
    input: LeaseInput,
    output: Lease,
    mutable: ['size', 'addresses', 'labels'],
    refersTo: { network: 'network', host: 'host' },
    filters: ['network', 'host'],
    columns: ['name', 'network', 'host', 'size', 'addresses', 'id'],
    counts: {},
    example: { network: 'web', host: 'h1', size: 8 },
  },
  router: {
    plural: 'routers',
    scope: 'tenant',
    summary: 'Joins subnets of one tenant, on every host at once',
    input: RouterInput,
    output: Router,
    mutable: ['name', 'subnets', 'routes', 'peers', 'translations', 'labels'],
    refersTo: { subnets: 'subnet' },
    filters: [],
    columns: ['name', 'subnets', 'domain', 'id'],
    counts: { routers: 1, routes: 'routes' },
    example: { name: 'r1', subnets: ['web-v4', 'db-v4'], routes: [{ destination: '10.9.0.0/16', via: '10.0.0.5' }] },
  },
  host: {
    plural: 'hosts',
    scope: 'cluster',
    summary: 'A server with an agent; its VTEP is its underlay address',
    input: HostInput,
    output: Host,
    mutable: ['name', 'vtep', 'mtuBytes', 'addresses', 'openPorts', 'labels'],
    refersTo: {},
    filters: [],
    columns: ['name', 'number', 'vtep', 'mtuBytes', 'status', 'id'],
    counts: {},
    example: { name: 'h1', vtep: '198.18.0.1' },
  },
};

/** A kind behind those that its objects refer to; `from`: on the way to it, so that a circle ends. */
const withReferents = (kind: Kind, from: readonly Kind[] = []): Kind[] =>
  from.includes(kind)
    ? []
    : [...Object.values(kinds[kind].refersTo).flatMap((to) => withReferents(to, [...from, kind])), kind];
/** Every kind, referents before what refers to them: the order in which objects are made. */
export const referentsFirst: readonly Kind[] = [
  ...new Set((Object.keys(kinds) as Kind[]).flatMap((kind) => withReferents(kind))),
];

/** The object type of each kind. */
export interface Objects {
  tenant: Tenant;
  network: Network;
  subnet: Subnet;
  port: Port;
  address: SharedAddress;
  lease: Lease;
  router: Router;
  host: Host;
}
/** The input type of each kind. */
export interface Inputs {
  tenant: TenantInput;
  network: NetworkInput;
  subnet: SubnetInput;
  port: PortInput;
  address: AddressInput;
  lease: LeaseInput;
  router: RouterInput;
  host: HostInput;
}
