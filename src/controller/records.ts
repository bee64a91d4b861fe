import type { Ip, Mac } from '../model/address.ts';
import type { Role } from '../model/grant.ts';
import type {
  AddressId,
  GrantId,
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
import type { Kind, Publish, Segment } from '../model/kinds.ts';
import type { Briefing } from '../model/metadata.ts';
import type { PublishedPlace } from '../model/published-place.ts';
import type { SubnetDhcp } from '../model/subnet-dhcp.ts';

/** What is stored of every object: the output's fields without `status` and `revision`, which come from elsewhere. */
interface Common<I> {
  readonly id: I;
  readonly name: string;
  readonly createdAt: string;
  readonly labels: Readonly<Record<string, string>>;
}
type TenantRecord = Common<TenantId>;
export interface NetworkRecord extends Common<NetworkId> {
  readonly tenant: TenantId;
  readonly vni: Vni;
  readonly mtuBytes?: number;
  readonly sourceNat: boolean;
  readonly publishFrom: readonly string[];
  readonly mssClamp: boolean;
}
export interface SubnetRecord extends Common<SubnetId> {
  readonly tenant: TenantId;
  readonly network: NetworkId;
  readonly cidr: string;
  readonly gateway?: Ip;
  readonly pools: readonly { readonly first: Ip; readonly last: Ip }[];
  readonly dhcp?: SubnetDhcp;
}
export interface PortRecord extends Common<PortId>, Briefing {
  readonly tenant: TenantId;
  readonly network: NetworkId;
  readonly mac: Mac;
  readonly addresses: readonly Ip[];
  readonly host?: HostId;
  /** Only with a host, and another one. */
  readonly standby?: HostId;
  /** The host that it has come from, and when; it need not be there any more. */
  readonly origin?: HostId;
  readonly movedAt?: string;
  /** Then it has no binding of its own, but that one's. */
  readonly behind?: PortId;
  readonly vlan?: number;
  readonly segment?: Segment;
  /** Every segment has one, but those that were written before there were any, until they are written again. */
  readonly place?: PlaceNumber;
  readonly dnsNames: readonly string[];
  readonly publish: readonly Publish[];
  readonly ephemeral: boolean;
}
/** An address that several ports may have. */
export interface AddressRecord extends Common<AddressId> {
  readonly tenant: TenantId;
  readonly network: NetworkId;
  readonly address: Ip;
  /** By name: one may not be there. */
  readonly ports: readonly string[];
  /** Who had it last; it may be gone. */
  readonly holder?: PortId;
  /** When that one announced it last, or somebody gave it to it, or took it. */
  readonly heldAt?: string;
}
export interface LeaseRecord extends Common<LeaseId> {
  readonly tenant: TenantId;
  readonly network: NetworkId;
  readonly host: HostId;
  readonly size: number;
  /** Held and given to no port; each with the MAC that is held with it. */
  readonly addresses: readonly { readonly ip: Ip; readonly mac: Mac }[];
}
export interface RouterRecord extends Common<RouterId> {
  readonly tenant: TenantId;
  readonly domain: Vni;
  readonly subnets: readonly SubnetId[];
  readonly routes: readonly { readonly destination: string; readonly via?: Ip }[];
  /** Those that it names; one may be gone. */
  readonly peers: readonly RouterId[];
  /** Prefixes under which peers see subnets that it joins. */
  readonly translations: readonly { readonly subnet: SubnetId; readonly as: string }[];
}
export interface HostRecord extends Common<HostId> {
  readonly number: HostNumber;
  readonly vtep: Ip;
  readonly mtuBytes: number;
  /** In order, without the VTEP. */
  readonly addresses: readonly Ip[];
  /** Places of it that its agent holds for workloads, in order. */
  readonly held: readonly PublishedPlace[];
  readonly openPorts: readonly string[];
  /** Ids, in order; one may be gone. Or `everyTenant` alone. */
  readonly tenants: readonly string[];
  /** No certificate of it counts until it joins again, and no other host knows it. */
  readonly revoked: boolean;
}
/** In the scope where it holds. */
export interface GrantRecord extends Common<GrantId> {
  readonly tenant?: TenantId;
  /** "user:alice", "group:dev". */
  readonly subject: string;
  readonly role: Role;
}

/** The stored form of each kind. */
export interface Records {
  tenant: TenantRecord;
  network: NetworkRecord;
  subnet: SubnetRecord;
  port: PortRecord;
  address: AddressRecord;
  lease: LeaseRecord;
  router: RouterRecord;
  host: HostRecord;
  grant: GrantRecord;
}
export type AnyRecord = Records[Kind];

/** A record with the revision of its last write. */
export interface Stored<K extends Kind = Kind> {
  readonly kind: K;
  readonly record: Records[K];
  readonly revision: bigint;
  /** Only what all may see of it. */
  readonly isGlance?: true;
}

/** What records of a kind have that were written before it had the field. */
const added: { readonly [K in Kind]?: Partial<Records[K]> } = {
  network: { sourceNat: false, publishFrom: [], mssClamp: false },
  router: { peers: [], translations: [] },
  port: { dnsNames: [], publish: [], ephemeral: false },
  host: { addresses: [], held: [], openPorts: [], tenants: [], revoked: false },
};

/** A record as it is stored, or was by an earlier version. */
export const parseRecord = <K extends Kind>(kind: K, text: string): Records[K] => ({
  ...(added[kind] as Partial<Records[K]> | undefined),
  ...(JSON.parse(text) as Records[K]),
});

/** The tenant that a record belongs to, or '-' for kinds of the whole installation. */
export const scopeOf = (record: AnyRecord): string => ('tenant' in record && record.tenant) || '-';
