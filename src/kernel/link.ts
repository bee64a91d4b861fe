/** Network devices: reading, making, changing (rtnetlink RTM_*LINK; include/uapi/linux/if_link.h). */
import { type Mac, macBytes, macText } from '../model/address.ts';
import * as nla from './attributes.ts';
import { hasErrno } from './libc.ts';
import { type Netlink, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, type Request, requestBeside } from './netlink.ts';
import type { Netns } from './netns.ts';

export const RTM_NEWLINK = 16;
export const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const IFF_UP = 1;
const IFF_PROMISC = 0x100;
const AF_INET6 = 10;
const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  OPERSTATE: 16,
  LINKINFO: 18,
  IFALIAS: 20,
  AF_SPEC: 26,
  NET_NS_FD: 28,
  CARRIER: 33,
  LINK_NETNSID: 37,
  XDP: 43,
} as const;
const OPER_UP = 6;
const INFO_KIND = 1;
const INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const VLAN_ID = 1;
const XDP_PROG_ID = 4;
const VXLAN_PORT = 15;
const VXLAN_COLLECT_METADATA = 25;
const TUN_OWNER = 1;
const TUN_TYPE = 3;
const TUN_MULTI_QUEUE = 7;
const IFF_TAP = 2;
const INET6_ADDR_GEN_MODE = 8;
/** By number (include/uapi/linux/if_link.h, enum in6_addr_gen_mode). */
const addrGenModes = ['eui64', 'none', 'stable-privacy', 'random'] as const;
type AddrGenMode = (typeof addrGenModes)[number];

/** A device as the kernel shows it. */
export interface Link {
  readonly ifindex: number;
  readonly name: string;
  /** Absent for devices without an Ethernet address. */
  readonly mac?: Mac;
  readonly mtuBytes: number;
  /** Administratively up. */
  readonly up: boolean;
  /** Has a carrier; false while down. */
  readonly carrier: boolean;
  /** Somebody has set it to take frames for all MACs; that a socket wants them does not show. */
  readonly promiscuous: boolean;
  /** Its queue is running: what is sent goes out. Comes a moment after the carrier (Documentation/networking/operstates.rst). */
  readonly operational: boolean;
  /** "veth", "vxlan", "bridge" …; absent for hardware. */
  readonly kind?: string;
  readonly alias?: string;
  /** For a veth its peer, for a VLAN its parent: an ifindex in the namespace of `peerNetnsId`. */
  readonly peerIfindex?: number;
  /** Our namespace's id for the peer's namespace; absent when it is the same one. */
  readonly peerNetnsId?: number;
  /** The ifindex of the bridge or bond that it belongs to. */
  readonly master?: number;
  /** Only for VXLAN devices. */
  readonly vxlan?: { readonly udpPort: number; readonly external: boolean };
  /** Tag of a VLAN device. */
  readonly vlan?: number;
  /** Only for taps; a tun device, of the same kind, is none. */
  readonly tap?: { readonly multiQueue: boolean; readonly owner?: number };
  /** Id of the XDP program on it. */
  readonly xdp?: number;
  /** How it gets its IPv6 link-local address; absent without IPv6. */
  readonly addrGenMode?: AddrGenMode;
}

/** Settings that RTM_SETLINK changes together. */
export interface LinkChange {
  readonly up?: boolean;
  readonly promiscuous?: boolean;
  readonly mtuBytes?: number;
  readonly mac?: Mac;
  /** 0 takes it out of its bridge. */
  readonly master?: number;
  readonly alias?: string;
  readonly name?: string;
  /** "none": the kernel gives it no IPv6 link-local address. */
  readonly addrGenMode?: AddrGenMode;
}

/** struct ifinfomsg. */
function ifinfo(ifindex = 0, flags = 0, change = 0): Uint8Array {
  const v = new DataView(new ArrayBuffer(16));
  v.setInt32(4, ifindex, true);
  v.setUint32(8, flags, true);
  v.setUint32(12, change, true);
  return new Uint8Array(v.buffer);
}
const body = (attributes: readonly nla.Attribute[], head = ifinfo()) =>
  nla.concat([head, nla.encodeAttributes(attributes)]);

/** The link in a RTM_NEWLINK or RTM_DELLINK message. */
export function parseLink(m: nla.Message): Link {
  const view = new DataView(m.body.buffer, m.body.byteOffset, m.body.length);
  const a = nla.decodeAttributes(m.body.subarray(16));
  const mac = a.get(IFLA.ADDRESS);
  const info = nla.decodeAttributes(a.get(IFLA.LINKINFO) ?? new Uint8Array());
  const kind = nla.readText(info.get(INFO_KIND));
  const data = () => nla.decodeAttributes(info.get(INFO_DATA) ?? new Uint8Array());
  return {
    ifindex: view.getInt32(4, true),
    name: nla.readText(a.get(IFLA.IFNAME)) ?? '',
    mtuBytes: nla.readNumber(a.get(IFLA.MTU)) ?? 0,
    up: (view.getUint32(8, true) & IFF_UP) !== 0,
    promiscuous: (view.getUint32(8, true) & IFF_PROMISC) !== 0,
    carrier: nla.readNumber(a.get(IFLA.CARRIER)) === 1,
    operational: nla.readNumber(a.get(IFLA.OPERSTATE)) === OPER_UP,
    ...nla.present({
      mac: mac?.length === 6 ? macText(mac) : undefined,
      kind,
      alias: nla.readText(a.get(IFLA.IFALIAS)),
      peerIfindex: nla.readNumber(a.get(IFLA.LINK)),
      peerNetnsId: nla.readNumber(a.get(IFLA.LINK_NETNSID)),
      master: nla.readNumber(a.get(IFLA.MASTER)),
      vxlan: kind === 'vxlan' ? parseVxlan(data()) : undefined,
      vlan: kind === 'vlan' ? nla.readNumber(data().get(VLAN_ID)) : undefined,
      tap: kind === 'tun' ? parseTap(data()) : undefined,
      xdp: nla.readNumber(nla.decodeAttributes(a.get(IFLA.XDP) ?? new Uint8Array()).get(XDP_PROG_ID)),
      addrGenMode: parseAddrGenMode(a.get(IFLA.AF_SPEC)),
    }),
  };
}

const parseTap = (data: nla.Attributes): Link['tap'] =>
  nla.readNumber(data.get(TUN_TYPE)) === IFF_TAP
    ? {
        multiQueue: nla.readNumber(data.get(TUN_MULTI_QUEUE)) === 1,
        ...nla.present({ owner: nla.readNumber(data.get(TUN_OWNER)) }),
      }
    : undefined;

function parseAddrGenMode(spec: Uint8Array | undefined): AddrGenMode | undefined {
  const inet6 = spec && nla.decodeAttributes(spec).get(AF_INET6);
  const mode = inet6 && nla.readNumber(nla.decodeAttributes(inet6).get(INET6_ADDR_GEN_MODE));
  return mode === undefined ? undefined : addrGenModes[mode];
}

function parseVxlan(data: nla.Attributes): NonNullable<Link['vxlan']> {
  const [high = 0, low = 0] = data.get(VXLAN_PORT) ?? [];
  return { udpPort: (high << 8) | low, external: nla.readNumber(data.get(VXLAN_COLLECT_METADATA)) === 1 };
}

/** The question for one link by name or ifindex; {@link parseLink} reads the answer. */
const linkQuestion = (which: string | number): Request => ({
  type: RTM_GETLINK,
  flags: 0,
  body: typeof which === 'string' ? body([nla.text(IFLA.IFNAME, which)]) : body([], ifinfo(which)),
  what: { operation: 'get', object: `link ${which}` },
});

/**
 * One link by name or ifindex.
 * @throws KERNEL with ENODEV
 */
export function linkGet(nl: Netlink, which: string | number): Link {
  const [answer] = nl.batch([linkQuestion(which)]);
  return parseLink(answer![0]!);
}

/** The link of that name, if there is one. */
export function linkByName(nl: Netlink, name: string): Link | undefined {
  try {
    return linkGet(nl, name);
  } catch (e) {
    if (hasErrno(e, 'ENODEV')) return undefined;
    throw e;
  }
}

/** All links of the namespace. */
export const linkList = (nl: Netlink): Link[] =>
  nl.request(RTM_GETLINK, NLM_F_DUMP, body([]), { operation: 'list', object: 'links' }).map(parseLink);

/** What every new link has. */
interface NewLink {
  readonly name: string;
  readonly alias?: string;
  readonly mtuBytes?: number;
  readonly mac?: Mac;
}
/** A new link's other end: it goes straight into its namespace. */
export interface VethPeer {
  readonly name: string;
  readonly mac?: Mac;
  readonly mtuBytes: number;
  readonly netns: Netns;
}

/** The kernel ignores an alias at creation, so that is a second message; should it fail, the link is taken back. */
function add(nl: Netlink, link: NewLink, kind: string, data: readonly nla.Attribute[]): Link {
  const what = { operation: `add ${kind}`, object: link.name };
  const a = [nla.text(IFLA.IFNAME, link.name)];
  if (link.mtuBytes !== undefined) a.push(nla.u32(IFLA.MTU, link.mtuBytes));
  if (link.mac !== undefined) a.push(nla.raw(IFLA.ADDRESS, macBytes(link.mac)));
  a.push(nla.nested(IFLA.LINKINFO, [nla.text(INFO_KIND, kind), nla.nested(INFO_DATA, data)]));
  const making = { type: RTM_NEWLINK, flags: NLM_F_CREATE | NLM_F_EXCL, body: body(a), what };
  const [, answer] = nl.batch([making, linkQuestion(link.name)]);
  const made = parseLink(answer![0]!);
  if (link.alias === undefined) return made;
  try {
    linkSet(nl, made.ifindex, { alias: link.alias });
    return { ...made, alias: link.alias };
  } catch (e) {
    linkDelete(nl, made.ifindex);
    throw e;
  }
}

/**
 * Makes a veth pair, the peer straight in its namespace, in one message: there is no moment in which the peer is ours.
 * Both ends are down. Costs under 1 ms.
 * @throws KERNEL with EEXIST if either name is taken
 */
export function linkAddVeth(nl: Netlink, link: NewLink & { readonly peer: VethPeer }): Link {
  const { peer } = link;
  const a = [nla.text(IFLA.IFNAME, peer.name), nla.u32(IFLA.MTU, peer.mtuBytes)];
  if (peer.mac !== undefined) a.push(nla.raw(IFLA.ADDRESS, macBytes(peer.mac)));
  a.push(nla.u32(IFLA.NET_NS_FD, peer.netns.fd));
  return add(nl, link, 'veth', [nla.nested(VETH_INFO_PEER, a, ifinfo())]);
}

/**
 * Makes a VXLAN device, down at first. `external` (collect-metadata): BPF gives VNI and peer with each packet.
 * @throws KERNEL with EEXIST if the name, or for an external one the UDP port, is taken
 */
export function linkAddVxlan(
  nl: Netlink,
  link: NewLink & { readonly udpPort: number; readonly external: boolean },
): Link {
  return add(nl, link, 'vxlan', [
    nla.be16(VXLAN_PORT, link.udpPort),
    nla.u8(VXLAN_COLLECT_METADATA, link.external ? 1 : 0),
  ]);
}

/** The request that changes what is given and leaves the rest. */
export function linkChange(ifindex: number, change: LinkChange): Request {
  const a: nla.Attribute[] = [];
  if (change.name !== undefined) a.push(nla.text(IFLA.IFNAME, change.name));
  if (change.mtuBytes !== undefined) a.push(nla.u32(IFLA.MTU, change.mtuBytes));
  if (change.mac !== undefined) a.push(nla.raw(IFLA.ADDRESS, macBytes(change.mac)));
  if (change.master !== undefined) a.push(nla.u32(IFLA.MASTER, change.master));
  // Without the zero byte: the kernel counts it as part of the alias.
  if (change.alias !== undefined) a.push(nla.raw(IFLA.IFALIAS, new TextEncoder().encode(change.alias)));
  if (change.addrGenMode !== undefined) {
    const mode = nla.u8(INET6_ADDR_GEN_MODE, addrGenModes.indexOf(change.addrGenMode));
    a.push(nla.nested(IFLA.AF_SPEC, [nla.nested(AF_INET6, [mode])]));
  }
  const bits = [
    [change.up, IFF_UP],
    [change.promiscuous, IFF_PROMISC],
  ] as const;
  const flags = bits.reduce((n, [on, bit]) => n | (on ? bit : 0), 0);
  const changed = bits.reduce((n, [on, bit]) => n | (on === undefined ? 0 : bit), 0);
  const what = { operation: 'set', object: `link ${ifindex}` };
  return { type: RTM_SETLINK, flags: 0, body: body(a, ifinfo(ifindex, flags, changed)), what };
}
/** Changes what is given and leaves the rest. */
export const linkSet = (nl: Netlink, ifindex: number, change: LinkChange): void =>
  void nl.batch([linkChange(ifindex, change)]);

/**
 * Deletes a link; of a veth pair both ends go.
 * @throws KERNEL with ENODEV
 */
export const linkDelete = (nl: Netlink, ifindex: number): void =>
  void nl.request(RTM_DELLINK, 0, body([], ifinfo(ifindex)), { operation: 'delete', object: `link ${ifindex}` });

/** Deletes a link that may be gone already: the kernel itself takes those of a namespace that ends. */
export function ensureNoLink(nl: Netlink, ifindex: number): void {
  try {
    linkDelete(nl, ifindex);
  } catch (e) {
    if (!hasErrno(e, 'ENODEV')) throw e;
  }
}

/** The same from another thread: the kernel takes 15 to 30 ms for a pair, most of them waiting. @throws KERNEL */
export async function ensureNoLinkBeside(ifindex: number): Promise<void> {
  try {
    await requestBeside(RTM_DELLINK, 0, body([], ifinfo(ifindex)), { operation: 'delete', object: `link ${ifindex}` });
  } catch (e) {
    if (!hasErrno(e, 'ENODEV')) throw e;
  }
}

/**
 * Sends changes, and waits until a device that is up with a carrier really sends. The kernel starts its queue in a work item of its
 * own, and drops what comes before: an ARP request lost there costs the workload a second. From 6.8 on, asking once, which goes
 * with the changes, is enough (rtnl_getlink synchronises); on older kernels it is asked again, for some milliseconds at most.
 * @throws KERNEL, with ENODEV if there is no such device
 */
export function changeToOperational(nl: Netlink, ifindex: number, changes: readonly Request[] = []): void {
  const answer = nl.batch([...changes, linkQuestion(ifindex)]).at(-1)![0]!;
  for (let tries = 0, link = parseLink(answer); tries < 500 && !link.operational; tries++) link = linkGet(nl, ifindex);
}
