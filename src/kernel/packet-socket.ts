/** Packet sockets (AF_PACKET, packet(7)): whole frames of one device, with a filter of classic BPF before anything is queued. */
import { bind, close, sendTo, setFilter, setsockopt, socket } from './libc.ts';

const AF_PACKET = 17;
const SOCK_RAW_NONBLOCK_CLOEXEC = 3 | 0o2004000;
const SOL_SOCKET = 1;
const SO_RCVBUF = 8;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;

/** What a step looks at: a field at so many bytes from the frame's start. */
export interface FieldTest {
  readonly at: number;
  readonly size: 1 | 2 | 4;
  /** Bits that count; default: all. */
  readonly mask?: number;
  /** One of these must be there. */
  readonly is: readonly number[];
}

/** As ethertype: frames of all, before the ingress of tc can drop them (ETH_P_ALL). */
export const everyEthertype = 3;

/** A packet socket's wishes. */
export interface PacketSocketOptions {
  readonly ifindex: number;
  /** As in the Ethernet header; only these frames come, and only if the ingress of tc lets them pass. */
  readonly ethertype: number;
  /** A frame comes if all tests of one of these hold. */
  readonly any: readonly (readonly FieldTest[])[];
  /** Bytes that may wait to be read; the kernel doubles it for its own. */
  readonly bufferBytes: number;
}

/**
 * A non-blocking socket in the calling thread's network namespace, for `recv` and `send` of frames from the Ethernet header on.
 * What the host itself sends by the device is not seen. Checksums of what comes may be left to a device that there is not.
 * @throws KERNEL
 */
export function openPacketSocket({ ifindex, ethertype, any, bufferBytes }: PacketSocketOptions): number {
  // Protocol 0: nothing comes before the filter is there, and the device named.
  const fd = socket(AF_PACKET, SOCK_RAW_NONBLOCK_CLOEXEC, 0);
  try {
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, bufferBytes);
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
    setFilter(fd, filterBytes(any));
    bind(fd, linkAddress(ifindex, ethertype));
    return fd;
  } catch (e) {
    close(fd);
    throw e;
  }
}

/**
 * A socket in the calling thread's network namespace that sends by any device, and gets nothing. For who sends by many: closing
 * a packet socket takes the kernel tens of milliseconds, in which the thread stands.
 * @throws KERNEL
 */
export const openSendingSocket = (): number => socket(AF_PACKET, SOCK_RAW_NONBLOCK_CLOEXEC, 0);

/** Sends a frame by a device. @throws KERNEL */
export const sendBy = (fd: number, ifindex: number, frame: Uint8Array): void =>
  void sendTo(fd, frame, linkAddress(ifindex, 0));

/** struct sockaddr_ll. */
function linkAddress(ifindex: number, ethertype: number): Uint8Array {
  const address = new DataView(new ArrayBuffer(20));
  address.setUint16(0, AF_PACKET, true);
  address.setUint16(2, ethertype, false);
  address.setInt32(4, ifindex, true);
  return new Uint8Array(address.buffer);
}

/** Codes of struct sock_filter (linux/bpf_common.h). */
const LOAD = { 1: 0x30, 2: 0x28, 4: 0x20 } as const;
const AND = 0x54;
const JUMP_EQUAL = 0x15;
const JUMP = 0x05;
const RETURN = 0x06;

type Step = readonly [code: number, whenTrue: number, whenFalse: number, k: number];

/** The program: each alternative in turn, the whole frame if one holds, nothing else. */
function filterBytes(any: readonly (readonly FieldTest[])[]): Uint8Array {
  const steps: Step[] = [];
  for (const tests of any) {
    const body = tests.map(testSteps);
    const size = body.reduce((n, s) => n + s.length, 0) + 1;
    let at = 0;
    for (const part of body) {
      at += part.length;
      steps.push(...part.slice(0, -1), [JUMP, 0, 0, size - at]);
    }
    steps.push([RETURN, 0, 0, 0xffff]);
  }
  steps.push([RETURN, 0, 0, 0]);
  const view = new DataView(new ArrayBuffer(8 * steps.length));
  for (const [i, [code, whenTrue, whenFalse, k]] of steps.entries()) {
    view.setUint16(8 * i, code, true);
    view.setUint8(8 * i + 2, whenTrue);
    view.setUint8(8 * i + 3, whenFalse);
    view.setUint32(8 * i + 4, k, true);
  }
  return new Uint8Array(view.buffer);
}

/** Load, mask, compare with each; the last step stands for the jump to the next alternative, and is stepped over by what fits. */
function testSteps({ at, size, mask, is }: FieldTest): Step[] {
  const compare = is.map((value, i): Step => [JUMP_EQUAL, is.length - i, 0, value >>> 0]);
  return [
    [LOAD[size], 0, 0, at],
    ...(mask === undefined ? [] : [[AND, 0, 0, mask >>> 0] as Step]),
    ...compare,
    [JUMP, 0, 0, 0],
  ];
}
