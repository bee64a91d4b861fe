/** Raw packets of a device: hostile frames go out as they are, and what arrives is seen as it is (packet(7)). */
import { bind, close, recv, send, setsockopt, socket } from '../../src/kernel/libc.ts';
import { linkByName } from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { inNetns, openNetns } from '../../src/kernel/netns.ts';

const AF_PACKET = 17;
const SOCK_RAW_NONBLOCK = 3 | 0o4000;
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_QDISC_BYPASS = 20;
const MSG_TRUNC = 0x20;
const bufferBytes = 64 << 20;
const EAGAIN = -11;

/** An open device. */
export interface Packets extends Disposable {
  /** Sends a whole Ethernet frame. @throws KERNEL, e.g. ENETDOWN while the device is down */
  send(frame: Uint8Array): void;
  /** The frames that arrived since the last call, oldest first; those that this namespace sent are not among them. */
  received(): Uint8Array[];
}

const htons = (n: number): number => ((n & 255) << 8) | (n >> 8);
/** struct sockaddr_ll for all protocols. */
function address(ifindex: number): Uint8Array {
  const bytes = new Uint8Array(20);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, ETH_P_ALL, false);
  view.setInt32(4, ifindex, true);
  return bytes;
}

/** Opens a device of a namespace; without a name all that there are and will be. `outgoing`: what the namespace itself sends is received too. */
export function openPackets(netns: string, ifname?: string, { outgoing = false } = {}): Packets {
  using ns = openNetns(netns);
  using nl = openNetlink(ns);
  const ifindex = ifname === undefined ? 0 : linkByName(nl, ifname)?.ifindex;
  if (ifindex === undefined) throw new Error(`${netns} has no ${ifname}`);
  const fd = inNetns(ns, () => socket(AF_PACKET, SOCK_RAW_NONBLOCK, htons(ETH_P_ALL)));
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, bufferBytes);
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, bufferBytes);
  setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, 1);
  if (!outgoing) setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
  bind(fd, address(ifindex));
  const buffer = new Uint8Array(70_000);
  const one = (): Uint8Array | undefined => {
    const n = recv(fd, buffer, MSG_TRUNC);
    if (n === EAGAIN) return undefined;
    if (n < 0) throw new Error(`receiving from ${ifname} failed: errno ${-n}`);
    return buffer.slice(0, n);
  };
  return {
    send: (frame) => void send(fd, frame),
    received() {
      const frames: Uint8Array[] = [];
      for (let frame = one(); frame; frame = one()) frames.push(frame);
      return frames;
    },
    [Symbol.dispose]: () => close(fd),
  };
}

/** True if the bytes are somewhere in the frame. */
export const contains = (frame: Uint8Array, bytes: Uint8Array | string): boolean => Buffer.from(frame).includes(bytes);
