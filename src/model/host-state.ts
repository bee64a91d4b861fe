/**
 * What one host must know, and the messages that carry it: the contract between controller and agent.
 *
 * The state is a set of items, each with its own key, so that a snapshot and a delta are the same thing in two sizes.
 */
import { Compile, type Static, Type } from '#typebox';
import type { Ip, Mac } from './address.ts';
import { HeddleError } from './errors.ts';
import { limits } from './fields.ts';
import type { AddressId, HostId, HostNumber, LeaseId, NetworkId, PlaceNumber, PortId, RouterId, Vni } from './ids.ts';
import type { Publish, Segment } from './kinds.ts';
import type { Briefing } from './metadata.ts';
import type { PublishedPlace } from './published-place.ts';
import type { SubnetDhcp } from './subnet-dhcp.ts';

/** Bumped on a change that an older peer cannot read. */
export const PROTOCOL = 5;

/**
 * A network that this host views: it is a member of it, or of another one that a router or its peer joins to it. A member has
 * a port in the network, or holds addresses of it. Of a peer's network a host is told what the peer joins, and no more.
 */
export interface NetworkItem {
  readonly kind: 'network';
  readonly id: NetworkId;
  readonly name: string;
  /** Name of its tenant. */
  readonly tenant: string;
  readonly vni: Vni;
  /** Bytes, if the tenant set one; the host's own bound holds besides. */
  readonly mtuBytes?: number;
  /** The host gives its own address to what goes outside. */
  readonly sourceNat: boolean;
  /** Prefixes whose clients may use published ports; empty: all. */
  readonly publishFrom: readonly string[];
  /** TCP to and from its ports agrees on segments that fit. */
  readonly mssClamp?: true;
  /** This host is a member: only then it has a gateway, a DNS server and leases there. */
  readonly member: boolean;
  /** Number of the router that joins some of its subnets, all of them the same one. */
  readonly domain?: Vni;
  /** `routed`: the router joins it. */
  readonly subnets: readonly {
    readonly cidr: string;
    readonly gateway?: Ip;
    /** Addresses that are given to ports by themselves, in that order; not of a peer's network. */
    readonly pools?: readonly { readonly first: Ip; readonly last: Ip }[];
    readonly routed?: true;
    readonly dhcp?: SubnetDhcp;
  }[];
}

/** A router that joins networks of which this host is a member, with what its peers join. */
export interface RouterItem {
  readonly kind: 'router';
  readonly id: RouterId;
  readonly name: string;
  /** Name of its tenant. */
  readonly tenant: string;
  /** Its number in every datapath, from the pool of VNIs. */
  readonly domain: Vni;
  /**
   * What it and its peers join; `mtuBytes`: the network's, if the tenant set one; `peer`: a peer joins it, not this router;
   * `as`: the prefix under which the peers of whoever joins it see it, if not its own.
   */
  readonly subnets: readonly {
    readonly network: NetworkId;
    readonly vni: Vni;
    readonly mtuBytes?: number;
    readonly cidr: string;
    readonly gateway: Ip;
    readonly peer?: true;
    readonly as?: string;
  }[];
  /** Prefixes of its own networks that it does not join. */
  readonly besides: readonly string[];
  /** `via` lies in one of the subnets; absent: what goes there is dropped. */
  readonly routes: readonly { readonly destination: string; readonly via?: Ip }[];
}

/**
 * A bound port of such a network, on this or another host; only of one on this host it is known what its guest is told. Of
 * a peer's network: ports that have an address in a joined subnet, with those addresses and without a name.
 */
export interface PortItem extends Briefing {
  readonly kind: 'port';
  readonly id: PortId;
  readonly name: string;
  readonly dnsNames: readonly string[];
  readonly network: NetworkId;
  readonly mac: Mac;
  readonly addresses: readonly Ip[];
  /** Number of the host that it is bound to; of a port behind another: that one's; of a machine on a segment: the segment's place. */
  readonly host: HostNumber | PlaceNumber;
  /** Number of the other host where it is wired: frames of it may come from there, too. */
  readonly standby?: HostNumber;
  /**
   * Number of the host that it has come from, which passes on what still comes there, and keeps its connections with the
   * outside that began there; only that one and those where it is wired are told.
   */
  readonly origin?: HostNumber;
  /** The port behind whose device it is; only its own hosts, `host` and `standby`, are told. */
  readonly behind?: PortId;
  /** Tag of its frames on that device; absent: untagged. */
  readonly vlan?: number;
  /** It is behind a segment, and goes when it is heard no more; told with `behind`. */
  readonly learned?: true;
  /** It is a physical segment, without addresses. */
  readonly segment?: Segment;
  /** Of a segment: the number that its machines have as `host`. So they stay as they are when it changes hosts. */
  readonly place?: PlaceNumber;
  /** What it publishes; empty if it is on another host, and has not come from this one. */
  readonly publish: readonly Publish[];
  /** Store revision of the port's last write. */
  readonly revision: string;
}

/** Addresses of a network that this host may give to its ports without asking; those in use are not among them. */
export interface LeaseItem {
  readonly kind: 'lease';
  readonly id: LeaseId;
  readonly network: NetworkId;
  /** What the controller grants: if it is less than what is held, others need the rest. */
  readonly size: number;
  /** Each with the MAC that a port of this address has. */
  readonly addresses: readonly { readonly ip: Ip; readonly mac: Mac }[];
}

/** An address that several ports of such a network may have: the holder's place is its. Of a peer's network: without names. */
export interface AddressItem {
  readonly kind: 'address';
  readonly id: AddressId;
  readonly name: string;
  readonly network: NetworkId;
  readonly address: Ip;
  /** Names of the ports that may have it. */
  readonly ports: readonly string[];
  /** The port that has it, if there is one. */
  readonly holder?: PortId;
}

/** Another host that is a member of one of these networks. */
export interface PeerItem {
  readonly kind: 'peer';
  readonly id: HostId;
  readonly name: string;
  readonly number: HostNumber;
  readonly vtep: Ip;
  /** MTU of its underlay device, bytes. */
  readonly mtuBytes: number;
}

/**
 * Any other host, whatever it has: workloads of this one do not get to it, by none of its addresses, but to what workloads
 * publish there, and what it has open itself.
 */
export interface ServerItem {
  readonly kind: 'server';
  readonly id: HostId;
  readonly addresses: readonly Ip[];
  readonly reached: readonly PublishedPlace[];
}

export type HostItem = NetworkItem | RouterItem | PortItem | AddressItem | LeaseItem | PeerItem | ServerItem;
/** Identity of an item within a host's state: "port/0192…". */
export type ItemKey = `${HostItem['kind']}/${string}`;
export const itemKey = (item: Pick<HostItem, 'kind' | 'id'>): ItemKey => `${item.kind}/${item.id}`;
export const portKey = (id: PortId): ItemKey => `port/${id}`;
/** The port that a key names; undefined if it names something else. */
export const portOfKey = (key: ItemKey): PortId | undefined =>
  key.startsWith('port/') ? (key.slice(5) as PortId) : undefined;
/** All that one host must know; iteration order has no meaning. */
export type HostState = ReadonlyMap<ItemKey, HostItem>;

/** Agent → controller, first message. */
const Hello = Type.Object({
  type: Type.Literal('hello'),
  protocol: Type.Integer(),
  name: Type.String({ maxLength: 63 }),
  vtep: Type.String({ maxLength: 45 }),
  mtuBytes: Type.Integer({ minimum: 576, maximum: 65_535 }),
  version: Type.String({ maxLength: 40 }),
  kernel: Type.String({ maxLength: 120 }),
});
/** Agent → controller, when the state is whole, and when it has changed: what other hosts must know of this one. */
const HostWord = Type.Object({
  type: Type.Literal('host'),
  /** Others by which the host is reached. */
  addresses: Type.Array(Type.String({ maxLength: 45 }), { maxItems: limits.addressesPerHost }),
  /** Ports of the host that are workloads', as {@link PublishedPlace}: nobody else has them. */
  held: Type.Array(Type.String({ maxLength: 60 }), { maxItems: limits.heldPerHost }),
});
/** Agent → controller: what is applied. `revision`: all of the stream up to it is in the kernel, or is named in `ports`. */
const Report = Type.Object({
  type: Type.Literal('report'),
  revision: Type.String({ pattern: '^[0-9]{1,18}$' }),
  /** Conditions of local ports that changed since the last report. */
  ports: Type.Array(
    Type.Object({
      id: Type.String({ maxLength: 36 }),
      condition: Type.Enum(['pending', 'up', 'error']),
      code: Type.Optional(Type.String({ maxLength: 60 })),
      message: Type.Optional(Type.String({ maxLength: 500 })),
      device: Type.Optional(Type.String({ maxLength: 15 })),
      /** Of a segment: addresses of other ports that machines have. */
      contests: Type.Optional(
        Type.Array(
          Type.Object({
            port: Type.String({ maxLength: 36 }),
            address: Type.String({ maxLength: 45 }),
            mac: Type.String({ maxLength: 17 }),
          }),
          { maxItems: limits.contests },
        ),
      ),
    }),
    { maxItems: limits.reportedPorts },
  ),
});
/** Agent → controller: the answer to an `ask`; whoever asked knows what `result` must be. */
const Answer = Type.Object({
  type: Type.Literal('answer'),
  id: Type.Integer(),
  result: Type.Optional(Type.Unknown()),
  problem: Type.Optional(Type.Object({ detail: Type.String({ maxLength: 500 }) })),
});
const FromAgent = Type.Union([Hello, HostWord, Report, Answer]);
export type Hello = Static<typeof Hello>;
export type HostWord = Static<typeof HostWord>;
export type Report = Static<typeof Report>;
export type AgentMessage = Static<typeof FromAgent>;

/** Controller → agent, first: who it is to the installation. */
export interface Welcome {
  type: 'welcome';
  /** The name is what it is called now; undefined: an older controller does not say it. */
  host: { id: HostId; number: HostNumber; name?: string };
}
/**
 * Controller → agent: a part of the state. After the connection is made, messages with `synced: false` and then one with
 * `synced: true` carry the whole; what the agent holds and the whole did not name is gone. Later messages are deltas.
 */
export interface Changes {
  type: 'changes';
  revision: string;
  upserts: HostItem[];
  deletes: ItemKey[];
  synced: boolean;
}
/** Controller → agent: a question to answer now. An agent that does not know it answers with a problem. */
export interface Ask {
  type: 'ask';
  id: number;
  question: { name: 'counters'; ports: PortId[] } | { name: 'health' };
}
/** Controller → agent: have your certificate renewed now, its authority ends. */
interface Renew {
  type: 'renew';
}
/** Controller → agent, before it closes the stream: why. */
interface Refusal {
  type: 'refusal';
  problem: { code: string; detail: string; details: Record<string, unknown> };
}
export type ControllerMessage = Welcome | Changes | Ask | Renew | Refusal;

const Count = Type.String({ pattern: '^[0-9]{1,20}$' });
/** Counters of one port since it was attached; from the workload's side: tx is what it sent. */
export const PortCounters = Type.Object({
  txPackets: Count,
  txBytes: Count,
  rxPackets: Count,
  rxBytes: Count,
  reasons: Type.Record(Type.String({ maxLength: 60 }), Count, {
    description: 'Packets by reason; only those that occurred',
  }),
});
export type PortCounters = Static<typeof PortCounters>;

const counters = Compile(Type.Record(Type.String(), PortCounters));
/** The result of a question for counters, checked: by port id, of those that are on the host. @throws INTERNAL */
export function parseCountersResult(value: unknown): Record<string, PortCounters> {
  if (!counters.Check(value))
    throw new HeddleError('INTERNAL', { problem: 'the agent answered with something that is no counters' });
  return value;
}

/** How a host is, as its agent sees it. */
const HostHealth = Type.Object({
  /** The host's clock, milliseconds since 1970. */
  nowMs: Type.Number(),
  /** Rows in the datapath's maps that fill. */
  maps: Type.Array(
    Type.Object({
      name: Type.String({ maxLength: 20 }),
      entries: Type.Integer({ minimum: 0 }),
      max: Type.Integer({ minimum: 1 }),
    }),
    { maxItems: 64 },
  ),
  /** What the host lacks, in words: services of networks, ways outside, segments, rows that the kernel refuses. */
  troubles: Type.Array(Type.Object({ what: Type.String({ maxLength: 40 }), text: Type.String({ maxLength: 500 }) }), {
    maxItems: limits.troublesPerHost,
  }),
});
export type HostHealth = Static<typeof HostHealth>;
const health = Compile(HostHealth);
/** The result of the question for a host's health, checked. @throws INTERNAL */
export function parseHealthResult(value: unknown): HostHealth {
  if (!health.Check(value))
    throw new HeddleError('INTERNAL', { problem: 'the agent answered with something that is no health' });
  return value;
}

const fromAgent = Compile(FromAgent);
/** A message of an agent, checked. @throws INVALID */
export function parseAgentMessage(text: string): AgentMessage {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new HeddleError('BAD_REQUEST', { problem: 'a message is no JSON' }, cause);
  }
  if (!fromAgent.Check(value))
    throw new HeddleError('INVALID', { field: 'message', problem: 'not one of hello, host, report, answer' });
  return value;
}
