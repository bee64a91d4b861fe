/** Sockets for servers inside a network namespace: the fd is given to Node, which serves it from the main thread. */
import { type Ip, ipBytes, ipFamily } from '../model/address.ts';
import { bind, close, sendTo, setsockopt, socket } from './libc.ts';

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK_CLOEXEC = 0o2004000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_MARK = 36;
const IPPROTO_IP = 0;
const IP_MTU_DISCOVER = 10;
const IP_FREEBIND = 15;
const IPPROTO_IPV6 = 41;
const IPV6_MTU_DISCOVER = 23;
const IPV6_V6ONLY = 26;
const IPV6_DONTFRAG = 62;
/** Never fragment, and do not believe what was learned of the path: IP_PMTUDISC_PROBE and IPV6_PMTUDISC_PROBE. */
const PMTUDISC_PROBE = 3;

/**
 * A bound socket of the calling thread's network namespace, ready for `dgram.bind({ fd })` or `net.Server.listen({ fd })`,
 * which own it from then on. The address need not be on a device yet: what comes first, socket or address, does not matter.
 * `exclusive`: nobody can bind the port beside it, and it cannot be bound beside the ends of old TCP connections.
 * @throws KERNEL (EADDRINUSE, …)
 */
export function openBoundSocket(
  kind: 'udp' | 'tcp',
  address: Ip,
  port: number,
  options: { exclusive?: boolean } = {},
): number {
  const six = ipFamily(address) === 6;
  const type = (kind === 'udp' ? SOCK_DGRAM : SOCK_STREAM) | SOCK_NONBLOCK_CLOEXEC;
  const fd = socket(six ? AF_INET6 : AF_INET, type, 0);
  try {
    if (kind === 'tcp' && !options.exclusive) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (six) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    setsockopt(fd, IPPROTO_IP, IP_FREEBIND, 1);
    bind(fd, socketAddress(address, port));
    return fd;
  } catch (e) {
    close(fd);
    throw e;
  }
}

/**
 * A UDP socket of the calling thread's network namespace, from an address of this host, for {@link sendDatagram}: what it sends
 * has the firewall mark and is never fragmented, whatever the kernel believes of the path. @throws KERNEL
 */
export function openProbeSocket(source: Ip, mark: number): number {
  const six = ipFamily(source) === 6;
  const fd = socket(six ? AF_INET6 : AF_INET, SOCK_DGRAM | SOCK_NONBLOCK_CLOEXEC, 0);
  try {
    setsockopt(fd, SOL_SOCKET, SO_MARK, mark);
    if (six) setsockopt(fd, IPPROTO_IPV6, IPV6_DONTFRAG, 1);
    if (six) setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, PMTUDISC_PROBE);
    else setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, PMTUDISC_PROBE);
    bind(fd, socketAddress(source, 0));
    return fd;
  } catch (e) {
    close(fd);
    throw e;
  }
}

/** @throws KERNEL with EMSGSIZE if it does not fit the device, ENETUNREACH or EHOSTUNREACH without a way, EPERM by a local firewall */
export const sendDatagram = (fd: number, payload: Uint8Array, to: Ip, port: number): void =>
  void sendTo(fd, payload, socketAddress(to, port));

/** struct sockaddr_in or sockaddr_in6: the family in host order, the port in network order. */
function socketAddress(address: Ip, port: number): Uint8Array {
  const six = ipFamily(address) === 6;
  const bytes = new Uint8Array(six ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, six ? AF_INET6 : AF_INET, true);
  view.setUint16(2, port, false);
  bytes.set(ipBytes(address), six ? 8 : 4);
  return bytes;
}
