/** One network's packet sockets inside its gateway's namespace; this process's event loop serves them. */
import type { Logger } from 'pino';
import { tenantDevice } from '../../gateway/tenant-side.ts';
import { recv, send } from '../../kernel/libc.ts';
import { linkByName } from '../../kernel/link.ts';
import { openNetlink } from '../../kernel/netlink.ts';
import { inNetns, type Netns } from '../../kernel/netns.ts';
import { type FieldTest, openPacketSocket } from '../../kernel/packet-socket.ts';
import { watchSocket } from '../../kernel/socket-watch.ts';
import { HeddleError } from '../../model/errors.ts';

/** Frames read before others of the event loop have their turn. */
const READ_MAX = 64;
/** Some hundred requests: what is more than this is lost, and asked for again. */
const BUFFER_BYTES = 128 * 1024;
/** No request is longer; what is, is cut, and then malformed. */
const FRAME_MAX = 2_048;

/** DHCPv4, whole and without IPv4 options: the datapath lets nothing else through in such numbers that it matters. */
const ip4: { ethertype: number; any: FieldTest[][] } = {
  ethertype: 0x0800,
  any: [
    [
      { at: 14, size: 1, is: [0x45] },
      { at: 20, size: 2, mask: 0x3fff, is: [0] },
      { at: 23, size: 1, is: [17] },
      { at: 34, size: 4, is: [(68 << 16) | 67] },
    ],
  ],
};
/** DHCPv6 and router solicitations, both without extension headers. */
const ip6: { ethertype: number; any: FieldTest[][] } = {
  ethertype: 0x86dd,
  any: [
    [
      { at: 20, size: 1, is: [17] },
      { at: 54, size: 4, is: [(546 << 16) | 547] },
    ],
    [
      { at: 20, size: 1, is: [58] },
      { at: 54, size: 1, is: [133] },
    ],
  ],
};

/** What a server needs. */
export interface ServerParts {
  readonly netns: Netns;
  /** A frame that came, and what goes back. */
  readonly answer: (frame: Uint8Array) => Uint8Array | undefined;
  readonly log: Logger;
}

/** A network's server. Disposing closes its sockets at once. */
export interface DhcpServer extends Disposable {
  /** Gives a frame to the device; false if it is not taken. */
  send(frame: Uint8Array): boolean;
}

/** @throws KERNEL if a socket cannot be made; then none stays */
export function openDhcpServer({ netns, answer, log }: ServerParts): DhcpServer {
  using open = new DisposableStack();
  using nl = openNetlink(netns);
  const ifindex = linkByName(nl, tenantDevice)?.ifindex;
  if (ifindex === undefined)
    throw new HeddleError('KERNEL', { operation: 'serve DHCP', errno: 'ENODEV', object: netns.path });
  let sender = -1;
  const sendBy = (fd: number, frame: Uint8Array): boolean => {
    try {
      send(fd, frame);
      return true;
    } catch (err) {
      // The device is down or full; the client asks again.
      log.debug({ err, netns: netns.path }, 'an answer of DHCP was not sent');
      return false;
    }
  };
  for (const family of [ip4, ip6]) {
    const fd = inNetns(netns, () => openPacketSocket({ ...family, ifindex, bufferBytes: BUFFER_BYTES }));
    open.use(
      watchSocket(fd, (_, isOpen) => {
        for (let n = 0; n < READ_MAX && isOpen(); n++) {
          const frame = receive(fd);
          if (!frame) return;
          const reply = answer(frame);
          if (reply) sendBy(fd, reply);
        }
      }),
    );
    sender = fd;
  }
  const all = open.move();
  return { send: (frame) => sendBy(sender, frame), [Symbol.dispose]: () => all.dispose() };
}

const buffer = new Uint8Array(FRAME_MAX);

/** The next frame, valid until the next call; undefined if none waits, or the device is gone: its gateway follows. */
function receive(fd: number): Uint8Array | undefined {
  const n = recv(fd, buffer, 0);
  return n < 0 ? undefined : buffer.subarray(0, n);
}
