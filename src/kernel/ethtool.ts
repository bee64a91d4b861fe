/** What a device does by itself with what it sends (ethtool's ioctl; include/uapi/linux/ethtool.h). */
import koffi from 'koffi';
import { close, ioctlWith, socket } from './libc.ts';

const AF_INET = 2;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const SIOCETHTOOL = 0x8946;
const NAME_BYTES = 16;
/** ETHTOOL_STXCSUM: checksums; without them the kernel cuts segments, too. */
const SET_TX_CHECKSUM = 0x17;

/**
 * Has a device of the calling thread's namespace leave checksums and segments of what it sends to the kernel.
 * @throws KERNEL, with EOPNOTSUPP if it does nothing by itself or does not let it go
 */
export function offloadsOff(device: string): void {
  const value = Uint32Array.of(SET_TX_CHECKSUM, 0); // struct ethtool_value
  const request = new Uint8Array(40); // struct ifreq
  request.set(new TextEncoder().encode(device).subarray(0, NAME_BYTES - 1));
  new DataView(request.buffer).setBigUint64(NAME_BYTES, koffi.address(value), true);
  const fd = socket(AF_INET, SOCK_DGRAM_CLOEXEC, 0);
  try {
    ioctlWith(fd, SIOCETHTOOL, request, device);
  } finally {
    close(fd);
  }
}
