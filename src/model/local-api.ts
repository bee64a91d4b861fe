/** The bodies of the agent's local API: what its socket takes and gives. */
import { type Static, Type } from '#typebox';
import type { Ip, Mac as MacText } from './address.ts';
import type { Problem } from './errors.ts';
import { Address, Labels, limits, Mac, Ref, strict } from './fields.ts';
import type { NetworkId, PortId } from './ids.ts';
import type { Briefing } from './metadata.ts';
import { ageSeconds, learn, type Port, type Publish, sshKeys, userData, vlan } from './port-schema.ts';

/** Limits of one attach. */
const most = { tapQueues: 16, hostRoutes: 64 } as const;

/** What every attach may say. */
const anyRequest = {
  tenant: Ref('tenant'),
  network: Ref('network'),
  port: Type.Optional({ ...Ref('port'), description: 'Name or id of the port; made if there is none of that name' }),
  ifname: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 15,
      description: 'Default: the first free eth<N>; of a tap a name of its own; on the host the first free heddle<N>',
    }),
  ),
  addresses: Type.Optional(Type.Array(Address, { maxItems: limits.addressesPerPort })),
  mac: Type.Optional(Mac),
  labels: Type.Optional(Labels),
  userData: Type.Optional(userData),
  sshKeys: Type.Optional(sshKeys),
};

const NetnsRequest = Type.Object(
  {
    kind: Type.Literal('netns'),
    target: Type.String({
      minLength: 1,
      maxLength: 4096,
      description: 'Path of a network namespace: /run/netns/w1, /proc/4711/ns/net',
    }),
    ...anyRequest,
  },
  strict,
);

const TapRequest = Type.Object(
  {
    kind: Type.Literal('tap'),
    owner: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 0xffff_fffe, description: 'User id that may open it, besides root' }),
    ),
    queues: Type.Optional(
      Type.Integer({ minimum: 1, maximum: most.tapQueues, description: 'How often it may be open at once' }),
    ),
    standby: Type.Optional(
      Type.Literal(true, { description: 'The port is another host’s, whose guest is about to come to this one' }),
    ),
    ...anyRequest,
  },
  strict,
);

const HostRequest = Type.Object(
  {
    kind: Type.Literal('host'),
    netns: Type.Optional(
      Type.String({
        pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$',
        description:
          'Name of a network namespace (/run/netns) to be in instead of the host’s own; made if it is not there',
      }),
    ),
    routes: Type.Optional(
      Type.Array(Type.String({ minLength: 3, maxLength: 49 }), {
        maxItems: most.hostRoutes,
        description: 'Prefixes beyond the subnet that the host is to reach through its gateway',
      }),
    ),
    ...anyRequest,
  },
  strict,
);

const DeviceRequest = Type.Object(
  {
    kind: Type.Literal('device'),
    ...anyRequest,
    ifname: Type.String({ minLength: 1, maxLength: 15, description: 'The NIC' }),
    vlan: Type.Optional({ ...vlan, description: 'The tag of the segment’s frames; default: those without a tag' }),
    learn: Type.Optional({
      ...learn,
      description: `Machines that become ports when they are heard; default: ${limits.learned}, or as the port has it`,
    }),
    ageSeconds: Type.Optional(ageSeconds),
  },
  strict,
);

/** Body of `POST /v1/attachments`; `kind` decides which. */
export const AttachRequest = Type.Union([NetnsRequest, TapRequest, HostRequest, DeviceRequest]);
export type AttachRequest = Static<typeof AttachRequest>;

/** Answer of `POST /v1/attachments`: what an attach made, or found made. */
export interface Attached {
  readonly port: Port;
  /** The host-side device. */
  readonly device: string;
  /** The interface in the workload. */
  readonly ifname: string;
  /** MTU of the interface, bytes. */
  readonly mtuBytes: number;
}

/** A local intent: this port hangs on that workload. An item of `GET /v1/attachments`. */
export type Attachment = PlacedAttachment | PairAttachment;

/** One that somebody asked for by an {@link AttachRequest}. */
export type PlacedAttachment = NetnsAttachment | TapAttachment | HostAttachment | DeviceAttachment;

interface AttachmentBase {
  readonly port: PortId;
  /** Tenant, network and port name as the caller gave them. */
  readonly tenant: string;
  readonly network: string;
  readonly name: string;
  /** The port was made for this attachment, and goes with it. */
  readonly owned: boolean;
  /**
   * attaching: the caller has no answer yet; an agent that finds this at its start undoes it.
   * attached: to be kept in the kernel. detaching: to be removed, then forgotten when the controller knows.
   */
  readonly state: 'attaching' | 'attached' | 'detaching';
  /** Of a port that was made on this host; absent: the controller made it. */
  readonly local?: LocalPort;
}

/** A network namespace and an interface in it. */
export interface InNetns {
  /** The namespace's path, and its lasting identity at the time: another namespace under the same path is another workload. */
  readonly target: { readonly path: string; readonly identity: string };
  readonly ifname: string;
}

/** The agent makes the interface in a network namespace. */
export interface NetnsAttachment extends AttachmentBase, InNetns {
  readonly kind: 'netns';
}

/** What attaching changes of a tap that is there. */
export interface TapBefore {
  readonly up: boolean;
  readonly mtuBytes: number;
  readonly alias?: string;
  readonly addrGenMode?: 'eui64' | 'none' | 'stable-privacy' | 'random';
}

/** A tap in the host's own namespace: whoever opens it, a virtual machine say, is the workload. */
export interface TapAttachment extends AttachmentBase {
  readonly kind: 'tap';
  /** The tap's name; it is the host-side device itself. */
  readonly ifname: string;
  /** It was there before: it is left when the port is detached, and never made. */
  readonly taken: boolean;
  /** How a taken one was before, and is to be again. */
  readonly before?: TapBefore;
  /** User id that may open it; absent: root alone. */
  readonly uid?: number;
  readonly queues: number;
  /**
   * The guest was heard here while the port was another host's and stood by on this one; `confirmed`: the store's revision
   * when the controller knew. Absent of that: it is to be told.
   */
  readonly heard?: { readonly confirmed?: string };
}

/** The host itself is the workload: the agent makes the interface in its own namespace, or in one for the server's programs. */
export interface HostAttachment extends AttachmentBase {
  readonly kind: 'host';
  /** Name of that namespace. It is known by its name: whoever names it means what is there now. */
  readonly netns?: string;
  readonly ifname: string;
  /** Prefixes that it reaches through the gateway of the port's subnet. */
  readonly routes: readonly string[];
}

/** What attaching changes of a NIC. */
export interface NicBefore {
  readonly up: boolean;
  readonly promiscuous: boolean;
}

/** A NIC, or one VLAN on it, behind which machines without an agent are. */
export interface DeviceAttachment extends AttachmentBase {
  readonly kind: 'device';
  /** The NIC. */
  readonly ifname: string;
  /** Absent: its frames without a tag. */
  readonly vlan?: number;
  /** How it was before its first attachment, and is to be again after the last. */
  readonly before: NicBefore;
}

/** An integration gets a pair, and moves its one end into the workload itself; or names a workload that runs already. */
export interface PairAttachment extends AttachmentBase {
  readonly kind: 'pair';
  /** The integration's own id of the port. */
  readonly owner: string;
  readonly local: LocalPort;
  /**
   * Absent: no pair is wanted now. making: as for `attaching`. made: one that is gone is not made again by itself. `inside`: where
   * the agent makes the workload's end; absent: the integration moves it.
   */
  readonly plug?: { readonly state: 'making' | 'made'; readonly mtuBytes?: number; readonly inside?: InNetns };
}

/** Where the workload is, in words. */
export function placeOf(a: Attachment): string {
  switch (a.kind) {
    case 'netns':
      return a.target.path;
    case 'pair':
      return a.owner;
    case 'tap':
      return 'tap';
    case 'device':
      return a.vlan === undefined ? 'segment' : `segment, VLAN ${a.vlan}`;
    case 'host':
      return a.netns === undefined ? 'this host' : `this host, namespace ${a.netns}`;
  }
}

/** The fields of a port that may change. */
export const changeable = ['name', 'dnsNames', 'labels', 'publish'] as const;

/** What the controller is to be told, or was told, of a port that was made on this host. */
export interface LocalPort extends Briefing {
  readonly network: NetworkId;
  readonly mac: MacText;
  readonly addresses: readonly Ip[];
  /** Each address with the MAC that its lease gives it. */
  readonly leased: readonly { readonly ip: Ip; readonly mac: MacText }[];
  readonly dnsNames: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly publish: readonly Publish[];
  readonly createdAt: string;
  /** The store's revision when the controller last confirmed it; absent: it does not know it yet. */
  readonly confirmed?: string;
  /** Fields that the controller has not been told of since. */
  readonly changed: readonly (typeof changeable)[number][];
  /** The controller's final no: the port is cut off until it is removed. */
  readonly refused?: Pick<Problem, 'code' | 'detail' | 'details'>;
}

/** Answer of `GET /v1/attachments`. */
export interface AttachmentList {
  readonly items: readonly Attachment[];
}

/** Answer of `GET /v1/attachments/{port}`: all that its workload must know. */
export interface AttachmentDetails {
  readonly attachment: Attachment;
  readonly mac: MacText;
  readonly addresses: readonly Ip[];
  /** The network's on this host, bytes. */
  readonly mtuBytes: number;
}

/** Answer of `DELETE /v1/attachments/{port}`: whether the controller knows of it already. */
export interface Detached {
  readonly released: boolean;
}
