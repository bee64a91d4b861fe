/** What hosts and machines say on a segment: packet sockets on its NIC, before the datapath. */
import type { Logger } from 'pino';
import { close, recv, send } from '../../kernel/libc.ts';
import { everyEthertype, type FieldTest, openPacketSocket } from '../../kernel/packet-socket.ts';
import { watchSocket } from '../../kernel/socket-watch.ts';
import { HELLO_TYPE } from './hello.ts';

/** Frames of each socket that are read before others of the event loop have their turn. */
const READ_MAX = 256;
/** Some hundred frames: a machine that is not heard now is heard later. */
const BUFFER_BYTES = 256 * 1024;
/** Enough for all that is read of a frame. */
const FRAME_MAX = 256;
/** Where a filter finds a frame's tag, which the kernel keeps beside it: SKF_AD_OFF + SKF_AD_VLAN_TAG (linux/filter.h). */
const VLAN_TAG = 0x1_0000_0000 - 0x1000 + 44;
const VLAN_MASK = 0x0fff;
const TAG_TYPE = 0x8100;

/** A segment's ears and mouth. Disposing closes its sockets at once. */
export interface SegmentSocket extends Disposable {
  /** Reads what waits, of machines no more than there is time for. */
  drain(): void;
  /** Sends a frame with the segment's tag; false if the NIC does not take it. */
  send(frame: Uint8Array): boolean;
}

/** Of the segment; without a tag and with one that says no VLAN is the same. */
const within = (vlan: number): FieldTest => ({ at: VLAN_TAG, size: 2, mask: VLAN_MASK, is: [vlan] });
/** ARP and neighbour discovery. */
const machines = (vlan: number): FieldTest[][] => [
  [within(vlan), { at: 12, size: 2, is: [0x0806] }],
  [within(vlan), { at: 12, size: 2, is: [0x86dd] }, { at: 20, size: 1, is: [58] }, { at: 54, size: 1, is: [135, 136] }],
];
const hosts = (vlan: number): FieldTest[][] => [[within(vlan), { at: 12, size: 2, is: [HELLO_TYPE] }]];

/**
 * Calls `hello` for each frame that may be one, as soon as it comes, and `machine` for ARP and neighbour discovery when it is
 * drained: however much machines say, hosts hear each other, and the event loop has other work. Frames are valid until the
 * call returns. `vlan`: 0 for none.
 * @throws KERNEL
 */
export function openSegmentSocket(
  { ifindex, vlan }: { readonly ifindex: number; readonly vlan: number },
  heard: { readonly hello: (frame: Uint8Array) => void; readonly machine: (frame: Uint8Array) => void },
  log: Logger,
): SegmentSocket {
  const options = { ifindex, ethertype: everyEthertype, bufferBytes: BUFFER_BYTES };
  using opening = new DisposableStack();
  const loud = openPacketSocket({ ...options, any: machines(vlan) });
  opening.defer(() => close(loud));
  const quiet = openPacketSocket({ ...options, any: hosts(vlan) });
  const buffer = new Uint8Array(FRAME_MAX);
  let open = true;
  const read = (fd: number, take: (frame: Uint8Array) => void): void => {
    for (let n = 0; n < READ_MAX && open; n++) {
      const length = recv(fd, buffer, 0);
      if (length < 0) return;
      take(buffer.subarray(0, length));
    }
  };
  opening.use(watchSocket(quiet, () => read(quiet, heard.hello)));
  const sockets = opening.move();
  return {
    drain() {
      read(quiet, heard.hello);
      read(loud, heard.machine);
    },
    send(frame) {
      try {
        send(quiet, vlan === 0 ? frame : tagged(frame, vlan));
        return true;
      } catch (err) {
        // The NIC is down or its queue full; all that is said here is said again.
        log.debug({ err, ifindex }, 'a frame was not sent on a segment');
        return false;
      }
    },
    [Symbol.dispose]() {
      open = false;
      sockets.dispose();
    },
  };
}

/** A frame with a tag. */
export function tagged(frame: Uint8Array, vlan: number): Uint8Array {
  const out = new Uint8Array(frame.length + 4);
  out.set(frame.subarray(0, 12));
  const view = new DataView(out.buffer);
  view.setUint16(12, TAG_TYPE);
  view.setUint16(14, vlan);
  out.set(frame.subarray(12), 16);
  return out;
}
