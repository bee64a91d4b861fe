/** Network namespaces: naming and entering. `setns` moves one thread; all of this runs on the main thread. */
import { closeSync, constants, fstatSync, openSync, readFileSync, rmSync, statfsSync } from 'node:fs';
import { HeddleError } from '../model/errors.ts';
import { getsockopt, hasErrno, ioctl, mount, setns, socket, umount, unshare } from './libc.ts';

const NSFS_MAGIC = 0x6e736673;
const NS_GET_NSTYPE = 0xb703;
const CLONE_NEWNET = 0x40000000;
const OWN = '/proc/thread-self/ns/net';

/** An open network namespace: it lives at least as long as this value. */
export interface Netns extends Disposable {
  /** The path it was opened by, for messages. */
  readonly path: string;
  readonly fd: number;
  /** "device:inode": two values name one namespace if their identities are equal. Inodes are reused after it is gone. */
  readonly identity: string;
}

/**
 * Opens the namespace at `path` (/run/netns/NAME, /proc/PID/ns/net, a runtime's bind mount).
 * Opening never blocks: a FIFO or a device there is refused like any other file.
 * @throws NETNS_NOT_FOUND if there is nothing, or no network namespace
 */
export function openNetns(path: string): Netns {
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch (cause) {
    throw new HeddleError('NETNS_NOT_FOUND', { path }, cause);
  }
  try {
    const type = statfsSync(`/proc/self/fd/${fd}`).type;
    if (type !== NSFS_MAGIC || ioctl(fd, NS_GET_NSTYPE, path) !== CLONE_NEWNET)
      throw new HeddleError('NETNS_NOT_FOUND', { path });
    const { dev, ino } = fstatSync(fd, { bigint: true });
    return { path, fd, identity: `${dev}:${ino}`, [Symbol.dispose]: () => closeSync(fd) };
  } catch (e) {
    closeSync(fd);
    throw e;
  }
}

const SIOCGSKNS = 0x894c;

/** The namespace that a socket belongs to, wherever its opener has gone. @throws KERNEL */
export function netnsOfSocket(socketFd: number): Netns {
  const fd = ioctl(socketFd, SIOCGSKNS, `socket ${socketFd}`);
  try {
    return openNetns(`/proc/self/fd/${fd}`);
  } finally {
    closeSync(fd);
  }
}

const AF_UNIX = 1;
const SOCK_DGRAM_CLOEXEC = 0o2000002;
const SOL_SOCKET = 1;
const SO_NETNS_COOKIE = 71;

/**
 * An identity that no other namespace ever gets, so that it can be kept on disk: the boot's id and the kernel's cookie of
 * the namespace (SO_NETNS_COOKIE, Linux 5.14).
 */
export function lastingIdentity(ns: Netns): string {
  const fd = inNetns(ns, () => socket(AF_UNIX, SOCK_DGRAM_CLOEXEC, 0));
  try {
    const cookie = new DataView(getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, 8).buffer).getBigUint64(0, true);
    return `${boot()}:${cookie}`;
  } finally {
    closeSync(fd);
  }
}

/** Names of the namespace's devices. Does not wait for changes that others make, as rtnetlink does (proc_pid_net(5)). */
export function linkNames(ns: Netns): Set<string> {
  const [, , ...lines] = inNetns(ns, () => readFileSync('/proc/thread-self/net/dev', 'utf8'))
    .trimEnd()
    .split('\n');
  return new Set(lines.map((line) => line.slice(0, line.lastIndexOf(':')).trim()));
}

let bootId: string | undefined;
/** The id of this boot, which no process outlives. */
function boot(): string {
  bootId ??= readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  return bootId;
}

/** The namespace that the calling thread is in now. */
export const ownNetns = (): Netns => openNetns(OWN);

/**
 * Runs `fn` inside the namespace: sockets that it opens stay there, and /proc/sys/net shows the namespace's values.
 * Synchronous by nature: anything awaited would run with every other task in the wrong namespace, so that is refused.
 * Costs about 15 µs (200 empty calls in a loop).
 * @throws INTERNAL when `fn` is or returns something asynchronous
 */
export function inNetns<T>(ns: Netns, fn: () => T): T {
  const asynchronous = () => new HeddleError('INTERNAL', { problem: 'inNetns takes synchronous functions only' });
  if (fn.constructor.name === 'AsyncFunction') throw asynchronous();
  const own = openSync(OWN, constants.O_RDONLY);
  try {
    setns(ns.fd, CLONE_NEWNET, ns.path);
    try {
      const result = fn();
      if (result instanceof Promise) throw asynchronous();
      return result;
    } finally {
      returnTo(own);
    }
  } finally {
    closeSync(own);
  }
}

const MS_BIND = 0x1000;
const MNT_DETACH = 2;

/**
 * Makes a network namespace that lives at `path`, where nothing must be, until {@link removeNetns}. It has a loopback device,
 * down. `prepare` runs inside before anybody can find it. Costs about 1 ms, most of it in the kernel.
 * @throws KERNEL; nothing is left then
 */
export function makeNetns(path: string, prepare: () => void = () => undefined): void {
  using own = ownNetns();
  closeSync(openSync(path, 'wx', 0o400));
  try {
    unshare(CLONE_NEWNET, path);
    try {
      prepare();
      mount(OWN, path, '', MS_BIND, '');
    } finally {
      returnTo(own.fd);
    }
  } catch (e) {
    rmSync(path, { force: true });
    throw e;
  }
}

/** Takes a path made by {@link makeNetns} away; the namespace ends with the last who uses it. Something else there goes too. */
export function removeNetns(path: string): void {
  try {
    umount(path, MNT_DETACH);
  } catch (e) {
    // Not mounted, or not there at all.
    if (!hasErrno(e, 'EINVAL') && !hasErrno(e, 'ENOENT')) throw e;
  }
  rmSync(path, { force: true });
}

function returnTo(own: number): void {
  try {
    setns(own, CLONE_NEWNET, OWN);
  } catch (e) {
    // Going on in a tenant's namespace is worse than ending: every later call would configure the wrong network.
    process.stderr.write(`cannot return to the own network namespace: ${e}\n`);
    process.abort();
  }
}
