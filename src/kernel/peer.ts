/** Who is at the other end of a unix socket's connection (unix(7)): as it was when it connected, and for as long as that lasts. */
import type { Socket } from 'node:net';
import { getsockopt, hasErrno } from './libc.ts';

const SOL_SOCKET = 1;
const SO_PEERCRED = 17;
const SO_PEERGROUPS = 59;
/** Bytes of each number. */
const WORD = 4;
/** Most further groups that a process has (NGROUPS_MAX). */
const groupsMost = 65_536;
/** As many as few have more. */
const groupsUsual = 64;

/** A process that has connected, in the numbers of this process's user namespace. */
export interface Peer {
  readonly pid: number;
  readonly uid: number;
  /** Its group, and further ones. */
  readonly groups: ReadonlySet<number>;
}

/** Asks the kernel. @throws KERNEL if the descriptor is no connected unix socket (ENODATA of one that is another socket) */
export function peerOf(fd: number): Peer {
  const further = furtherGroups(fd);
  const [pid, uid, gid] = words(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, 3 * WORD));
  return { pid: pid!, uid: uid!, groups: new Set([gid!, ...further]) };
}

/** As {@link peerOf}, of a connection that this process has taken. */
export const peerOfSocket = (socket: Socket): Peer => peerOf(descriptor(socket));

/** Node gives its number only on the inner handle; it is the same one for as long as the socket is open. */
const descriptor = (socket: Socket): number =>
  (socket as unknown as { _handle: { fd: number } | null })._handle?.fd ?? -1;

function furtherGroups(fd: number): number[] {
  try {
    return words(getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groupsUsual * WORD));
  } catch (e) {
    if (!hasErrno(e, 'ERANGE')) throw e;
    return words(getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groupsMost * WORD));
  }
}

const words = (bytes: Uint8Array): number[] => [...new Uint32Array(bytes.buffer, 0, bytes.length / WORD)];
