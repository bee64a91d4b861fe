/** Addresses of network devices (rtnetlink RTM_*ADDR; include/uapi/linux/if_addr.h). */
import { type Ip, ipBytes, ipFamily, ipText } from '../model/address.ts';
import * as nla from './attributes.ts';
import { hasErrno } from './libc.ts';
import { type Netlink, NLM_F_CREATE, NLM_F_DUMP, NLM_F_REPLACE, type Request } from './netlink.ts';

export const RTM_NEWADDR = 20;
export const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
/** Marks addresses, routes and neighbours as ours (docs/kernel-ids.md). */
export const RTPROT_HEDDLE = 201;
const AF_INET = 2;
const AF_INET6 = 10;
const IFA = { ADDRESS: 1, LOCAL: 2, BROADCAST: 4, FLAGS: 8, PROTO: 11 } as const;
const NODAD = 0x02;
const TENTATIVE = 0x40;
const DADFAILED = 0x08;

export interface Address {
  readonly ifindex: number;
  readonly ip: Ip;
  readonly prefixLength: number;
  /** IPv6 only: duplicate address detection is not done yet, or has failed; it cannot be used. */
  readonly tentative: boolean;
  /** Who made it, from kernel 5.18; 0 for people. */
  readonly protocol: number;
}
export type AddressKey = Pick<Address, 'ifindex' | 'ip' | 'prefixLength'>;

export const familyNumber = (ip: string): number => (ipFamily(ip) === 4 ? AF_INET : AF_INET6);

/** struct ifaddrmsg. */
function ifaddr(family: number, prefixLength: number, ifindex: number): Uint8Array {
  const v = new DataView(new ArrayBuffer(8));
  v.setUint8(0, family);
  v.setUint8(1, prefixLength);
  v.setUint32(4, ifindex, true);
  return new Uint8Array(v.buffer);
}
const body = (k: AddressKey, more: readonly nla.Attribute[]) =>
  nla.concat([
    ifaddr(familyNumber(k.ip), k.prefixLength, k.ifindex),
    nla.encodeAttributes([nla.raw(IFA.LOCAL, ipBytes(k.ip)), nla.raw(IFA.ADDRESS, ipBytes(k.ip)), ...more]),
  ]);
const object = (k: AddressKey) => `${k.ip}/${k.prefixLength} on link ${k.ifindex}`;

/** The address in a RTM_NEWADDR or RTM_DELADDR message. */
export function parseAddress(m: nla.Message): Address {
  const a = nla.decodeAttributes(m.body.subarray(8));
  const flags = nla.readNumber(a.get(IFA.FLAGS)) ?? m.body[2]!;
  return {
    ifindex: new DataView(m.body.buffer, m.body.byteOffset).getUint32(4, true),
    // LOCAL is the own address; IPv6 without a point-to-point peer has only ADDRESS.
    ip: ipText(a.get(IFA.LOCAL) ?? a.get(IFA.ADDRESS) ?? []),
    prefixLength: m.body[1]!,
    tentative: (flags & (TENTATIVE | DADFAILED)) !== 0,
    protocol: nla.readNumber(a.get(IFA.PROTO)) ?? 0,
  };
}

/**
 * The request that adds an address, or leaves it if it is there. `nodad`: usable at once, without IPv6 duplicate address detection.
 * The protocol mark is ignored by kernels before 5.18.
 */
export function newAddress(k: AddressKey, options: { nodad?: boolean } = {}): Request {
  const marks = [nla.u32(IFA.FLAGS, options.nodad ? NODAD : 0), nla.u8(IFA.PROTO, RTPROT_HEDDLE)];
  const what = { operation: 'add address', object: object(k) };
  return { type: RTM_NEWADDR, flags: NLM_F_CREATE | NLM_F_REPLACE, body: body(k, marks), what };
}
/** Adds it, as {@link newAddress} says. */
export const addressAdd = (nl: Netlink, k: AddressKey, options: { nodad?: boolean } = {}): void =>
  void nl.batch([newAddress(k, options)]);

/** All addresses of the namespace, or of one link. */
export const addressList = (nl: Netlink, ifindex = 0): Address[] =>
  nl
    .request(RTM_GETADDR, NLM_F_DUMP, ifaddr(0, 0, ifindex), { operation: 'list', object: 'addresses' })
    .filter((m) => m.body[0] === AF_INET || m.body[0] === AF_INET6)
    .map(parseAddress);

/** Removes an address; one that is gone already is fine. */
export function addressDelete(nl: Netlink, k: AddressKey): void {
  try {
    nl.request(RTM_DELADDR, 0, body(k, []), { operation: 'delete address', object: object(k) });
  } catch (e) {
    if (!hasErrno(e, 'EADDRNOTAVAIL')) throw e;
  }
}
