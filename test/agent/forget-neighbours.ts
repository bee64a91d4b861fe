import { familyNumber } from '../../src/kernel/address.ts';
import { concat, encodeAttributes, raw } from '../../src/kernel/attributes.ts';
import { hasErrno } from '../../src/kernel/libc.ts';
import { linkByName } from '../../src/kernel/link.ts';
import { type Neighbour, neighbourList, RTM_DELNEIGH } from '../../src/kernel/neighbour.ts';
import type { Netlink } from '../../src/kernel/netlink.ts';
import { type Ip, ipBytes } from '../../src/model/address.ts';

const NDA_DST = 1;

/** The kernel may have dropped the entry by itself since it was listed: `ip neigh flush` fails then, this does not. */
function forget(nl: Netlink, { ifindex, ip }: Neighbour): void {
  const ndmsg = new DataView(new ArrayBuffer(12));
  ndmsg.setUint8(0, familyNumber(ip));
  ndmsg.setInt32(4, ifindex, true);
  const body = concat([new Uint8Array(ndmsg.buffer), encodeAttributes([raw(NDA_DST, ipBytes(ip))])]);
  try {
    nl.request(RTM_DELNEIGH, 0, body, { operation: 'forget neighbour', object: ip });
  } catch (e) {
    if (!hasErrno(e, 'ENOENT')) throw e;
  }
}

/** Has the kernel forget the MACs that it has learned on a device, or that of one address there. */
export function forgetNeighbours(nl: Netlink, device: string, ip?: Ip): void {
  const link = linkByName(nl, device);
  if (!link) throw new Error(`no device ${device}`);
  for (const neighbour of neighbourList(nl, link.ifindex))
    if (!['permanent', 'noarp'].includes(neighbour.state) && (ip ?? neighbour.ip) === neighbour.ip)
      forget(nl, neighbour);
}
