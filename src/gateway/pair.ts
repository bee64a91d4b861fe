/** A veth pair between this host's namespace and a gateway's. */
import { type AddressKey, addressAdd, addressDelete, addressList } from '../kernel/address.ts';
import { ensureNoLink, type Link, linkAddVeth, linkByName } from '../kernel/link.ts';
import type { Netlink } from '../kernel/netlink.ts';
import { ipFamily } from '../model/address.ts';

/** Both ends: the host's, and the one in the gateway's namespace. */
interface Pair {
  readonly outer: Link;
  readonly inner: Link;
}

/**
 * The pair as it is there; it is made, down, if it is not, if its ends do not belong together, or if the inner one has another
 * MAC than it must have. `inside`: of the peer's namespace. @throws KERNEL
 */
export function ensurePair(nl: Netlink, inside: Netlink, want: Parameters<typeof linkAddVeth>[1]): Pair {
  const { peer } = want;
  const outer = linkByName(nl, want.name);
  const inner = linkByName(inside, peer.name);
  const together = outer && inner && outer.peerIfindex === inner.ifindex && inner.peerIfindex === outer.ifindex;
  if (together && (peer.mac === undefined || inner.mac === peer.mac)) return { outer, inner };
  if (outer) ensureNoLink(nl, outer.ifindex);
  if (inner) ensureNoLink(inside, inner.ifindex);
  return { outer: linkAddVeth(nl, want), inner: linkByName(inside, peer.name)! };
}

/** The kernel gives these itself: a link-local one made from the MAC, and those of the loopback device. */
const kernels = /^(fe80:|127\.|::1$)/;

/** Exactly these, besides the kernel's own. @throws KERNEL */
export function setAddresses(nl: Netlink, ifindex: number, want: readonly Omit<AddressKey, 'ifindex'>[]): void {
  const wanted = new Set(want.map((a) => `${a.ip}/${a.prefixLength}`));
  const have = addressList(nl, ifindex).filter((a) => a.ifindex === ifindex && !kernels.test(a.ip));
  for (const a of have) if (!wanted.delete(`${a.ip}/${a.prefixLength}`)) addressDelete(nl, a);
  for (const a of want)
    if (wanted.has(`${a.ip}/${a.prefixLength}`)) addressAdd(nl, { ifindex, ...a }, { nodad: ipFamily(a.ip) === 6 });
}
