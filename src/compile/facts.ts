/** What the plan knows of a host besides its state. */
import { type Ip, ipFamily, type Mac } from '../model/address.ts';
import type { NetworkItem } from '../model/host-state.ts';
import type { HostNumber, NetworkId, PortId } from '../model/ids.ts';

/** The host-side device of a workload or gateway. */
export interface Device {
  readonly ifindex: number;
  readonly slot: number;
  /** Its peer is in another network namespace, so that a packet can be put straight there. */
  readonly redirectPeer: boolean;
  /** What goes there may not still count as tunnelled: a tap, or a NIC. */
  readonly tap?: boolean;
  /** Other ports are behind the one that has it, on this host. */
  readonly trunk?: boolean;
  /** Tag of a physical segment on it; absent: untagged. */
  readonly vlan?: number;
}

/** The way to a VTEP as the kernel's routes and neighbours have it. Without MACs: through the VXLAN device. */
export interface Path {
  readonly ifindex: number;
  readonly local: Ip;
  /** MTU of the path, bytes, outer headers included. */
  readonly mtuBytes: number;
  readonly macs?: { readonly source: Mac; readonly destination: Mac };
}

/** What the plan must know of the host besides its state. */
export interface Facts {
  readonly self: HostNumber;
  readonly vtep: Ip;
  readonly vxlanIfindex: number;
  readonly udpPort: number;
  /** `configFlags` of this kernel. */
  readonly features: number;
  /** MTU of the underlay device, bytes. */
  readonly underlayMtuBytes: number;
  /** Of ports behind others: their own entry, for counters of their own, or none; then they share that port's. */
  readonly devices: ReadonlyMap<PortId, Device>;
  /** This host's gateways; every host of a network has its own, with the same addresses and MAC. */
  readonly gateways: ReadonlyMap<NetworkId, Device>;
  readonly paths: ReadonlyMap<Ip, Path>;
}

/** Bytes that encapsulation adds: outer IP, UDP 8, VXLAN 8, inner Ethernet 14. */
export const overheadBytes = (underlay: Ip): number => (ipFamily(underlay) === 4 ? 20 : 40) + 30;

/** Largest IP packet a workload of the network may send on this host, bytes. */
export const networkMtu = (
  network: Pick<NetworkItem, 'mtuBytes'>,
  facts: Pick<Facts, 'underlayMtuBytes' | 'vtep'>,
): number => Math.min(network.mtuBytes ?? Number.POSITIVE_INFINITY, facts.underlayMtuBytes - overheadBytes(facts.vtep));
