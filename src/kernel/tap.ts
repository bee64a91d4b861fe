/** Persistent tap devices (drivers/net/tun.c; include/uapi/linux/if_tun.h). */
import { closeSync, openSync } from 'node:fs';
import { HeddleError } from '../model/errors.ts';
import { ioctlWith } from './libc.ts';
import { type Link, linkGet } from './link.ts';
import type { Netlink } from './netlink.ts';

const TUNSETIFF = 0x400454ca;
const TUNSETPERSIST = 0x400454cb;
const TUNSETOWNER = 0x400454cc;
const IFF_TAP = 0x0002;
const IFF_MULTI_QUEUE = 0x0100;
const IFF_NO_PI = 0x1000;
const IFF_VNET_HDR = 0x4000;
const IFF_TUN_EXCL = 0x8000;

/** How a tap is made. */
export interface NewTap {
  readonly name: string;
  /** The user id, besides root, that may open it. */
  readonly owner?: number | undefined;
  /** It may be opened several times at once, each time for a queue; then only so. */
  readonly multiQueue: boolean;
}

/**
 * Makes a tap that stays when nobody has it open; down, and without carrier until somebody opens it. Should we die before
 * it is whole, it goes with us. Costs under 1 ms.
 * @throws KERNEL with EBUSY if the name is taken; KERNEL_UNSUPPORTED without /dev/net/tun
 */
export function makeTap(nl: Netlink, { name, owner, multiQueue }: NewTap): Link {
  const fd = nl.within(openDevice);
  try {
    const flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_TUN_EXCL | (multiQueue ? IFF_MULTI_QUEUE : 0);
    ioctlWith(fd, TUNSETIFF, ifreq(name, flags), `tap ${name}`);
    if (owner !== undefined) ioctlWith(fd, TUNSETOWNER, owner, `owner of tap ${name}`);
    ioctlWith(fd, TUNSETPERSIST, 1, `tap ${name}`);
  } finally {
    closeSync(fd);
  }
  return linkGet(nl, name);
}

/** The namespace that opens it is the one that its taps are in. */
function openDevice(): number {
  try {
    return openSync('/dev/net/tun', 'r+');
  } catch (cause) {
    throw new HeddleError('KERNEL_UNSUPPORTED', { feature: 'taps', need: '/dev/net/tun (modprobe tun)' }, cause);
  }
}

/** struct ifreq with ifr_flags. */
function ifreq(name: string, flags: number): Uint8Array {
  const bytes = new Uint8Array(40);
  new TextEncoder().encodeInto(name, bytes.subarray(0, 15));
  new DataView(bytes.buffer).setUint16(16, flags, true);
  return bytes;
}
