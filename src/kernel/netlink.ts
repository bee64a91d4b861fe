/**
 * Requests to the kernel over rtnetlink. Synchronous: the kernel handles a request inside `send`, so its answer is there
 * when `send` returns and no thread waits. Measured: 15 µs for one link by ifindex (2,000 in a loop), 35 µs to open and close
 * a socket in another namespace. A request waits while another process has the kernel's rtnl lock, tearing down links say.
 */
import { closeSync } from 'node:fs';
import { HeddleError } from '../model/errors.ts';
import { concat, decodeAttributes, decodeMessages, encodeMessage, type Message, readText } from './attributes.ts';
import { bind, kernelError, recv, send, sendBeside, setsockopt, socket } from './libc.ts';
import { inNetns, type Netns, netnsOfSocket } from './netns.ts';

const NLM_F_REQUEST = 0x1;
const NLM_F_ACK = 0x4;
const NLM_F_ROOT = 0x100;
const NLM_F_MATCH = 0x200;
export const NLM_F_DUMP = NLM_F_ROOT | NLM_F_MATCH;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;

const AF_NETLINK = 16;
const NETLINK_ROUTE = 0;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
export const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SO_RCVBUFFORCE = 33;
const SOL_NETLINK = 270;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NETLINK_GET_STRICT_CHK = 12;
const NLMSG_NOOP = 1;
const NLMSG_ERROR = 2;
const NLMSG_DONE = 3;
const NLM_F_DUMP_INTR = 0x10;
const NLM_F_CAPPED = 0x100;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;
const MSG_TRUNC = 0x20;
const EINTR = 4;
const DUMP_TRIES = 10;

/** What a request is for, in words for its error. */
export interface Purpose {
  readonly operation: string;
  readonly object: string;
}

/** A change, or a question with one answer. NLM_F_REQUEST and NLM_F_ACK are added to its flags. */
export interface Request {
  readonly type: number;
  readonly flags: number;
  readonly body: Uint8Array;
  readonly what: Purpose;
}

/** An rtnetlink socket of one network namespace; requests run one after another. */
export interface Netlink extends Disposable {
  /** Runs `fn` in the socket's namespace; nothing of it may be asynchronous. */
  within<T>(fn: () => T): T;
  /**
   * Sends one request and returns the messages that answer it, without acknowledgement and end marks: none for a change,
   * one for a get, all for a dump (`flags` with NLM_F_DUMP), re-read when the kernel says that it changed meanwhile.
   * NLM_F_REQUEST and NLM_F_ACK are added.
   * @throws KERNEL with errno and extended-ack text
   */
  request(type: number, flags: number, body: Uint8Array, what: Purpose): Message[];
  /**
   * Sends requests, none of them a dump, in one call, and returns the messages that answer each. The kernel runs them in
   * order, those behind a refused one too: none may do harm if one before it fails.
   * @throws KERNEL of the first that is refused
   */
  batch(requests: readonly Request[]): Message[][];
}

/** A bound rtnetlink socket in the namespace, or in the own one; `groups` is a mask of multicast groups. */
export function openRouteSocket(ns: Netns | undefined, options: { flags?: number; groups?: number }): number {
  const open = () => socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | (options.flags ?? 0), NETLINK_ROUTE);
  const fd = ns ? inNetns(ns, open) : open();
  try {
    growReceiveBuffer(fd, 4 << 20);
    const address = new DataView(new ArrayBuffer(12)); // struct sockaddr_nl; port id 0 lets the kernel choose
    address.setUint16(0, AF_NETLINK, true);
    address.setUint32(8, options.groups ?? 0, true);
    bind(fd, new Uint8Array(address.buffer));
    return fd;
  } catch (e) {
    closeSync(fd);
    throw e;
  }
}

/** Asks for `bytes`; a container without CAP_NET_ADMIN in the first user namespace gets what rmem_max allows. */
function growReceiveBuffer(fd: number, bytes: number): void {
  try {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, bytes);
  } catch {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, bytes);
  }
}

/** The messages of one datagram. */
function receive(fd: number, buffer: Uint8Array, what: Purpose): Message[] {
  for (;;) {
    const n = recv(fd, buffer, MSG_TRUNC);
    if (n === -EINTR) continue;
    if (n < 0) throw kernelError(-n, what.operation, what.object, 'while receiving the answer');
    if (n > buffer.length) throw new HeddleError('INTERNAL', { problem: `netlink answer of ${n} bytes was cut` });
    return decodeMessages(buffer.subarray(0, n));
  }
}

/**
 * One change in the own namespace, from another thread, for what takes the kernel long. Others' requests do not wait for it
 * longer than the kernel's rtnl lock is held. @throws KERNEL with errno and extended-ack text
 */
export async function requestBeside(type: number, flags: number, body: Uint8Array, what: Purpose): Promise<void> {
  const fd = openRouteSocket(undefined, {});
  try {
    for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK]) setsockopt(fd, SOL_NETLINK, option, 1);
    await sendBeside(fd, encodeMessage({ type, flags: flags | NLM_F_REQUEST | NLM_F_ACK, seq: 1, pid: 0, body }));
    for (const m of receive(fd, new Uint8Array(1 << 12), what)) throwIfFailed(m, what);
  } finally {
    closeSync(fd);
  }
}

/** Opens a socket in the given namespace, or in the own one. It keeps working for that namespace wherever we go. */
export function openNetlink(ns?: Netns): Netlink {
  const fd = openRouteSocket(ns, {});
  for (const option of [NETLINK_CAP_ACK, NETLINK_EXT_ACK, NETLINK_GET_STRICT_CHK])
    setsockopt(fd, SOL_NETLINK, option, 1);
  const buffer = new Uint8Array(1 << 16);
  let seq = 0;
  let open = true;

  /** One exchange: the messages for each request, and whether a dump was disturbed. It reads up to the last end mark. */
  function exchange(requests: readonly Request[]) {
    const sent = requests.map(({ type, flags, body, what }) => {
      if (!open) throw kernelError(9, what.operation, what.object, 'the netlink socket is closed');
      seq = (seq + 1) >>> 0;
      const message = encodeMessage({ type, flags: flags | NLM_F_REQUEST | NLM_F_ACK, seq, pid: 0, body });
      return { message, seq, what, found: [] as Message[] };
    });
    send(fd, concat(sent.map(({ message }) => message)));
    let disturbed = false;
    const ends: { end: Message; what: Purpose }[] = [];
    while (ends.length < sent.length)
      for (const m of receive(fd, buffer, sent[ends.length]!.what)) {
        const of = sent.find((request) => request.seq === m.seq);
        if (!of) continue; // left over from a request whose answer failed half-way
        if (m.flags & NLM_F_DUMP_INTR) disturbed = true;
        if (m.type === NLMSG_ERROR || m.type === NLMSG_DONE) ends.push({ end: m, what: of.what });
        else if (m.type !== NLMSG_NOOP) of.found.push(m);
      }
    for (const { end, what } of ends) throwIfFailed(end, what);
    return { found: sent.map(({ found }) => found), disturbed };
  }

  return {
    within(fn) {
      if (!ns) return fn();
      using socketNs = netnsOfSocket(fd);
      return inNetns(socketNs, fn);
    },
    batch: (requests) => (requests.length === 0 ? [] : exchange(requests).found),
    request(type, flags, body, what) {
      for (let tries = 0; tries < DUMP_TRIES; tries++) {
        const { found, disturbed } = exchange([{ type, flags, body, what }]);
        if (!disturbed) return found[0]!;
      }
      throw kernelError(EINTR, what.operation, what.object, `changed during each of ${DUMP_TRIES} dumps`);
    },
    [Symbol.dispose]() {
      if (open) closeSync(fd);
      open = false;
    },
  };
}

/** NLMSG_ERROR with 0 is an acknowledgement; NLMSG_DONE carries a dump's late error the same way. */
function throwIfFailed(m: Message, what: Purpose): void {
  const view = new DataView(m.body.buffer, m.body.byteOffset, m.body.length);
  const error = m.body.length >= 4 ? view.getInt32(0, true) : 0;
  if (error >= 0) return;
  let tlvs = m.body.length;
  if (m.flags & NLM_F_ACK_TLVS) {
    // After the code comes the request: its header only if capped, or not at all in NLMSG_DONE.
    const echoed = m.flags & NLM_F_CAPPED ? 16 : m.type === NLMSG_DONE ? 0 : view.getUint32(4, true);
    tlvs = 4 + ((echoed + 3) & ~3);
  }
  const extack = readText(decodeAttributes(m.body.subarray(tlvs)).get(NLMSGERR_ATTR_MSG));
  throw kernelError(-error, what.operation, what.object, extack);
}
