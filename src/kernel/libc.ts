/**
 * The few system calls that Node lacks, from glibc through koffi. Thin: each function makes one call and throws KERNEL
 * with the errno's name if it fails. A call costs about 0.2 µs over the system call itself (getpid in a loop).
 */
import { constants } from 'node:os';
import koffi from 'koffi';
import { HeddleError } from '../model/errors.ts';

const libc = koffi.load('libc.so.6');
/** struct sock_fprog: a program of classic BPF. */
const filterProgram = koffi.struct('heddle_sock_fprog', { len: 'uint16_t', filter: 'const void *' });
const c = {
  socket: libc.func('int socket(int, int, int)'),
  bind: libc.func('int bind(int, const void *, uint32_t)'),
  listen: libc.func('int listen(int, int)'),
  setsockopt: libc.func('int setsockopt(int, int, int, const void *, uint32_t)'),
  getsockopt: libc.func('int getsockopt(int, int, int, void *, void *)'),
  attachFilter: libc.func('int setsockopt(int, int, int, const heddle_sock_fprog *, uint32_t)'),
  send: libc.func('intptr_t send(int, const void *, size_t, int)'),
  sendto: libc.func('intptr_t sendto(int, const void *, size_t, int, const void *, uint32_t)'),
  recv: libc.func('intptr_t recv(int, void *, size_t, int)'),
  close: libc.func('int close(int)'),
  setns: libc.func('int setns(int, int)'),
  ioctl: libc.func('int ioctl(int, unsigned long)'),
  ioctlValue: libc.func('int ioctl(int, unsigned long, unsigned long)'),
  ioctlStruct: libc.func('int ioctl(int, unsigned long, void *)'),
  mount: libc.func('int mount(const char *, const char *, const char *, unsigned long, const char *)'),
  umount2: libc.func('int umount2(const char *, int)'),
  unshare: libc.func('int unshare(int)'),
  ifIndexToName: libc.func('const char *if_indextoname(unsigned int, void *)'),
};

const names = new Map(Object.entries(constants.errno).map(([name, n]) => [n as number, name]));
names.set(95, 'EOPNOTSUPP');
names.set(11, 'EAGAIN');
names.set(524, 'ENOTSUPP'); // the kernel's own, not in errno.h, but BPF returns it
/** The name of a positive errno, "E<number>" for one without. */
export const errnoName = (errno: number): string => names.get(errno) ?? `E${errno}`;

/** A KERNEL error for a positive errno. */
export function kernelError(errno: number, operation: string, object: string, extack?: string): HeddleError<'KERNEL'> {
  const details = { operation, errno: errnoName(errno), object };
  return new HeddleError('KERNEL', extack === undefined ? details : { ...details, extack });
}

/** True for a KERNEL error with this errno name. */
export const hasErrno = (e: unknown, errno: string): boolean =>
  e instanceof HeddleError && e.code === 'KERNEL' && (e as HeddleError<'KERNEL'>).details.errno === errno;

function check(result: number, operation: string, object: string): number {
  if (result < 0) throw kernelError(koffi.errno(), operation, object);
  return result;
}

export const socket = (domain: number, type: number, protocol: number): number =>
  check(c.socket(domain, type, protocol), 'socket', `family ${domain} protocol ${protocol}`);
export const bind = (fd: number, address: Uint8Array): void =>
  void check(c.bind(fd, address, address.length), 'bind', `socket ${fd}`);
export const listen = (fd: number, backlog: number): void =>
  void check(c.listen(fd, backlog), 'listen', `socket ${fd}`);
export const setsockopt = (fd: number, level: number, option: number, value: number): void =>
  void check(
    c.setsockopt(fd, level, option, new Uint8Array(Int32Array.of(value).buffer), 4),
    'setsockopt',
    `socket ${fd} option ${level}/${option}`,
  );
const [SOL_SOCKET, SO_ATTACH_FILTER] = [1, 26];
/** Gives a socket a filter: struct sock_filter after struct sock_filter, 8 bytes each. */
export const setFilter = (fd: number, steps: Uint8Array): void =>
  void check(
    c.attachFilter(
      fd,
      SOL_SOCKET,
      SO_ATTACH_FILTER,
      { len: steps.length / 8, filter: steps },
      koffi.sizeof(filterProgram),
    ),
    'attach filter',
    `socket ${fd}`,
  );
/** An option's value, of `most` bytes or fewer. @throws KERNEL, some options with ERANGE if it is longer */
export function getsockopt(fd: number, level: number, option: number, most: number): Uint8Array {
  const value = new Uint8Array(most);
  const size = Uint32Array.of(most);
  check(c.getsockopt(fd, level, option, value, size), 'getsockopt', `socket ${fd} option ${level}/${option}`);
  return value.subarray(0, size[0]);
}
export const send = (fd: number, bytes: Uint8Array): number =>
  check(c.send(fd, bytes, bytes.length, 0), 'send', `socket ${fd}`);
/** The same, to an address: a packed struct sockaddr. */
export const sendTo = (fd: number, bytes: Uint8Array, address: Uint8Array): number =>
  check(c.sendto(fd, bytes, bytes.length, 0, address, address.length), 'sendto', `socket ${fd}`);
/** `send` from another thread, for requests that keep the kernel busy; `bytes` must stay as they are until it resolves. */
export async function sendBeside(fd: number, bytes: Uint8Array): Promise<void> {
  const sent = Promise.withResolvers<number>();
  c.send.async(fd, bytes, bytes.length, 0, (error: Error | null, n: number) => {
    if (error) sent.reject(error);
    else sent.resolve(n === bytes.length ? 0 : koffi.errno()); // its errno is known in here alone
  });
  const errno = await sent.promise;
  if (errno !== 0) throw kernelError(errno, 'send', `socket ${fd}`);
}
/** Receives into `into`; the result is the datagram's true length with MSG_TRUNC, or minus errno: callers decide by it. */
export function recv(fd: number, into: Uint8Array, flags: number): number {
  const n = c.recv(fd, into, into.length, flags);
  return n < 0 ? -koffi.errno() : n;
}
export const close = (fd: number): void => void check(c.close(fd), 'close', `fd ${fd}`);
/** The same from another thread, for what keeps the kernel busy: the number is the process's until that is done. */
export const closeBeside = (fd: number): void => c.close.async(fd, () => undefined);
/** Moves the calling thread into the namespace; `type` is a CLONE_NEW… flag that must match. */
export const setns = (fd: number, type: number, object: string): void => void check(c.setns(fd, type), 'setns', object);
/** An ioctl without argument. */
export const ioctl = (fd: number, request: number, object: string): number =>
  check(c.ioctl(fd, request), 'ioctl', object);
/** An ioctl with a number, or with a structure that the kernel reads and may change. */
export const ioctlWith = (fd: number, request: number, argument: number | Uint8Array, object: string): number =>
  check(
    typeof argument === 'number' ? c.ioctlValue(fd, request, argument) : c.ioctlStruct(fd, request, argument),
    'ioctl',
    object,
  );
export const mount = (source: string, target: string, type: string, flags: number, options: string): void =>
  void check(c.mount(source, target, type, flags, options), 'mount', target);
/** Takes the mount off; `flags` of umount(2). */
export const umount = (target: string, flags: number): void => void check(c.umount2(target, flags), 'umount', target);
/** Moves the calling thread into a new namespace of the CLONE_NEW… kinds. */
export const unshare = (flags: number, object: string): void => void check(c.unshare(flags), 'unshare', object);
const IFNAMSIZ = 16;
/** Whether the thread's namespace has a device of this index. Waits for nobody, as rtnetlink does for whoever changes devices. */
export const hasDevice = (ifindex: number): boolean => c.ifIndexToName(ifindex, new Uint8Array(IFNAMSIZ)) !== null;
