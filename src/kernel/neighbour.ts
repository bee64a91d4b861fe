/** Neighbours: which MAC an address on a link has (rtnetlink RTM_*NEIGH; include/uapi/linux/neighbour.h). */
import { type Ip, ipBytes, ipText, type Mac, macText } from '../model/address.ts';
import { familyNumber } from './address.ts';
import * as nla from './attributes.ts';
import { type Netlink, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE } from './netlink.ts';

export const RTM_NEWNEIGH = 28;
export const RTM_DELNEIGH = 29;
const RTM_GETNEIGH = 30;
const AF_INET = 2;
const AF_INET6 = 10;
const NTF_USE = 1;
const NDA = { DST: 1, LLADDR: 2, IFINDEX: 8 } as const;
const states = {
  1: 'incomplete',
  2: 'reachable',
  4: 'stale',
  8: 'delay',
  16: 'probe',
  32: 'failed',
  64: 'noarp',
  128: 'permanent',
} as const;

/** The kernel's NUD_* state; "none" for an entry that was only made. */
export type NeighbourState = (typeof states)[keyof typeof states] | 'none';
export interface Neighbour {
  readonly ifindex: number;
  readonly ip: Ip;
  /** Absent while it is not resolved. */
  readonly mac?: Mac;
  readonly state: NeighbourState;
}

/** struct ndmsg. */
function ndmsg(family: number, ifindex: number, state = 0, flags = 0): Uint8Array {
  const v = new DataView(new ArrayBuffer(12));
  v.setUint8(0, family);
  v.setInt32(4, ifindex, true);
  v.setUint16(8, state, true);
  v.setUint8(10, flags);
  return new Uint8Array(v.buffer);
}
/** True for messages about IP neighbours; bridge FDB entries come in the same messages. */
export const isIpNeighbour = (m: nla.Message): boolean => m.body[0] === AF_INET || m.body[0] === AF_INET6;

/** The neighbour in a RTM_NEWNEIGH or RTM_DELNEIGH message. */
export function parseNeighbour(m: nla.Message): Neighbour {
  const view = new DataView(m.body.buffer, m.body.byteOffset);
  const a = nla.decodeAttributes(m.body.subarray(12));
  const mac = a.get(NDA.LLADDR);
  const key = { ifindex: view.getInt32(4, true), ip: ipText(a.get(NDA.DST) ?? []) };
  const state = states[view.getUint16(8, true) as keyof typeof states] ?? 'none';
  return mac?.length === 6 ? { ...key, mac: macText(mac), state } : { ...key, state };
}

/** All IP neighbours of the namespace, or of one link. */
export function neighbourList(nl: Netlink, ifindex?: number): Neighbour[] {
  const filter = ifindex === undefined ? [] : [nla.u32(NDA.IFINDEX, ifindex)];
  const request = nla.concat([ndmsg(0, 0), nla.encodeAttributes(filter)]);
  const what = { operation: 'list', object: 'neighbours' };
  return nl.request(RTM_GETNEIGH, NLM_F_DUMP, request, what).filter(isIpNeighbour).map(parseNeighbour);
}

/** Has the kernel resolve or refresh the entry as if a packet were sent; its answer comes as a notification. */
export function neighbourUse(nl: Netlink, { ip, ifindex }: Pick<Neighbour, 'ifindex' | 'ip'>): void {
  const what = { operation: 'resolve neighbour', object: `${ip} on link ${ifindex}` };
  const head = ndmsg(familyNumber(ip), ifindex, 0, NTF_USE);
  const request = nla.concat([head, nla.encodeAttributes([nla.raw(NDA.DST, ipBytes(ip))])]);
  nl.request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, request, what);
}
