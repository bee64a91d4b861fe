/** Hears ports announce addresses that they share with others: packet sockets on their devices, before the datapath. */
import type { Logger } from 'pino';
import { close, closeBeside, recv } from '../../kernel/libc.ts';
import { everyEthertype, type FieldTest, openPacketSocket } from '../../kernel/packet-socket.ts';
import { type Ip, ipBytes, ipFamily } from '../../model/address.ts';
import type { PortId } from '../../model/ids.ts';
import { announcedIn } from './announcement.ts';

/** Some frames; what does not fit is more of the same. */
const BUFFER_BYTES = 8_192;
const FRAME_MAX = 128;
/** However much a port says, it is listened to so often, and for so many frames. */
const INTERVAL_MS = 50;
const READ_MAX = 32;
/** One look in so many opens what could not be: every five seconds. */
const RETRY_EVERY = 100;
/** Where a filter finds whether a frame has a tag: SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT (linux/filter.h). */
const TAG_PRESENT = 0x1_0000_0000 - 0x1000 + 48;

/** What is listened to at one port. */
export interface Listening {
  readonly ifindex: number;
  readonly mac: string;
  readonly addresses: readonly Ip[];
}

/** Gratuitous ARP and neighbour advertisements of these addresses; what else they must be is looked at when they are read. */
function filterOf(addresses: readonly Ip[]): FieldTest[][] {
  const last = (family: 4 | 6): number[] =>
    addresses
      .filter((ip) => ipFamily(ip) === family)
      .map((ip) => new DataView(ipBytes(ip).buffer).getUint32(family === 4 ? 0 : 12));
  const [four, six] = [last(4), last(6)];
  const untagged: FieldTest = { at: TAG_PRESENT, size: 1, is: [0] };
  const type = (is: number): FieldTest => ({ at: 12, size: 2, is: [is] });
  const arp: FieldTest[] = [untagged, type(0x0806), { at: 28, size: 4, is: four }, { at: 38, size: 4, is: four }];
  const nd: FieldTest[] = [
    ...[untagged, type(0x86dd)],
    ...[
      { at: 20, size: 1, is: [58] } as const,
      { at: 54, size: 1, is: [136] } as const,
      { at: 74, size: 4, is: six } as const,
    ],
  ];
  return [...(four.length > 0 ? [arp] : []), ...(six.length > 0 ? [nd] : [])];
}

/** The ears of this host. Disposing closes them. */
export class Ears implements Disposable {
  readonly #ears = new Map<PortId, { readonly fd: number; readonly to: Listening }>();
  /** Those that could not be opened, and are tried again. */
  readonly #deaf = new Map<PortId, Listening>();
  #looks = 0;
  readonly #heard: (port: PortId, address: Ip) => void;
  readonly #log: Logger;
  #timer: NodeJS.Timeout | undefined;

  constructor(heard: (port: PortId, address: Ip) => void, log: Logger) {
    this.#heard = heard;
    this.#log = log;
  }

  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const { fd } of this.#ears.values()) close(fd);
    this.#ears.clear();
  }

  /** Listens at a port to this from now on, or no longer (undefined). */
  set(port: PortId, to: Listening | undefined): void {
    const ear = this.#ears.get(port);
    if (ear && to && key(ear.to) === key(to)) return;
    if (ear) closeBeside(ear.fd);
    this.#ears.delete(port);
    this.#deaf.delete(port);
    if (to) this.#open(port, to);
    if (this.#ears.size + this.#deaf.size > 0) this.#timer ??= setInterval(() => this.#listen(), INTERVAL_MS).unref();
    else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  #open(port: PortId, to: Listening): void {
    const { ifindex, addresses } = to;
    try {
      const any = filterOf(addresses);
      const fd = openPacketSocket({ ifindex, ethertype: everyEthertype, any, bufferBytes: BUFFER_BYTES });
      this.#ears.set(port, { fd, to });
      this.#deaf.delete(port);
    } catch (err) {
      // The device is gone, and comes again; or the host is out of something.
      if (!this.#deaf.has(port)) this.#log.warn({ err, port }, 'cannot listen yet for who announces a shared address');
      this.#deaf.set(port, to);
    }
  }

  #listen(): void {
    if (++this.#looks % RETRY_EVERY === 0) for (const [port, to] of this.#deaf) this.#open(port, to);
    for (const [port, { fd, to }] of this.#ears)
      for (let n = 0; n < READ_MAX; n++) {
        const length = recv(fd, frame, 0);
        if (length < 0) break;
        const said = announcedIn(frame.subarray(0, length));
        if (said?.mac === to.mac && to.addresses.includes(said.ip)) this.#heard(port, said.ip);
      }
  }
}

const frame = new Uint8Array(FRAME_MAX);
const key = ({ ifindex, mac, addresses }: Listening): string => `${ifindex} ${mac} ${addresses.join()}`;
