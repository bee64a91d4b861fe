/** Where the workload's end of a port is, and who makes it: the one thing in which the kinds of attachments differ. */
import { createHash } from 'node:crypto';
import type { Link } from '../kernel/link.ts';
import type { Netlink } from '../kernel/netlink.ts';
import type { Ip } from '../model/address.ts';
import type { NetworkItem, PortItem } from '../model/host-state.ts';
import type { PortId } from '../model/ids.ts';
import type { Attachment } from '../model/local-api.ts';
import type { ServerNamespaces } from './server-namespaces.ts';

const hash = (port: PortId): string => createHash('sha256').update(port).digest('hex').slice(0, 13);
/** The host-side device's name: `hd` and 13 hex digits of the port id's hash; the whole id is in its alias. */
export const deviceName = (port: PortId): string => `hd${hash(port)}`;
/** The workload's end of a pair that an integration moves. */
export const peerName = (port: PortId): string => `hp${hash(port)}`;

/** What a device must be. */
export interface DeviceWant<A extends Attachment = Attachment> {
  readonly port: PortItem;
  readonly network: NetworkItem;
  readonly attachment: A;
  /** MTU of the workload's end. */
  readonly mtuBytes: number;
}

/** A host-side device that was just made, or taken. Dispose it when it is whole, or given up. */
export interface NewDevice extends Disposable {
  readonly link: Link;
  /** Its peer is, or will soon be, in another namespace than ours: packets can be put straight there. */
  readonly redirectPeer: boolean;
  /** With the program on it, and the end of a pair up: sets up the workload's end, brings a tap up, and marks the device whole by its alias. */
  complete(): void;
  /** Takes away what was done. */
  undo(): void;
}

/** What a device is made with, whatever it is. */
export interface Making {
  /** The mark of a whole device. */
  readonly alias: string;
  /** Addresses that this host must reach by the routes that it has: other hosts' VTEPs, the controller. */
  readonly underlay: () => readonly Ip[];
  readonly servers: ServerNamespaces;
}

/** A kind of attachment: how the device and the workload's end behind it come to be. */
export interface WorkloadEnd<A extends Attachment = Attachment> {
  /** Nothing is left if it throws. @throws NETNS_NOT_FOUND, DEVICE_GONE, TAP_GONE, NIC_GONE, INVALID, IFNAME_TAKEN, HOST_ROUTE_TAKEN, KERNEL */
  make(nl: Netlink, want: DeviceWant<A>, how: Making): NewDevice;
  /** What comes to it is to be filtered, because the workload's end is not all there is behind it. */
  readonly guarded?: boolean;
  /** Sets the MTU that the workload sees; returns why it cannot, if so. */
  setMtu(nl: Netlink, want: DeviceWant<A>): string | undefined;
}
