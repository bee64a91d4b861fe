/** Hears guests that come to this host: the first frame at the tap of a port that stands by here. */
import type { Logger } from 'pino';
import { recv } from '../kernel/libc.ts';
import { everyEthertype, openPacketSocket } from '../kernel/packet-socket.ts';
import { watchSocket } from '../kernel/socket-watch.ts';
import { macBytes } from '../model/address.ts';
import { type ItemKey, type PortItem, portKey, portOfKey } from '../model/host-state.ts';
import type { PortId } from '../model/ids.ts';
import type { Attachments } from './attachments.ts';
import { hasArrived } from './guest-place.ts';
import type { Reconciler } from './reconciler.ts';
import type { WorkloadDevices } from './workload-devices.ts';

/** One frame is enough. */
const bufferBytes = 4_096;

/** What is listened to, and who is told. */
export interface ArrivalParts {
  readonly reconciler: Pick<Reconciler, 'state' | 'host' | 'watchItems' | 'touchPort'>;
  readonly attachments: Pick<Attachments, 'get'>;
  readonly devices: Pick<WorkloadDevices, 'all'>;
  /** The guest is here. */
  readonly onArrival: (port: PortId) => void;
  /** A guest that speaks on two hosts at once, which is a mistake, moves its port no more often than this. Default 1 s. */
  readonly pauseMs?: number;
  readonly log: Logger;
}

interface Ear {
  readonly ifindex: number;
  readonly close: () => void;
}

/**
 * Listens at each tap whose port stands by here; disposing ends it. QEMU says a RARP for a guest that it has taken over, and
 * the guest itself a gratuitous ARP; but any frame with the port's MAC says where it is. The socket takes frames before the
 * datapath, which drops some of these, and is closed with the first.
 */
export class Arrivals implements Disposable {
  readonly #parts: ArrivalParts;
  readonly #ears = new Map<PortId, Ear>();
  /** When a guest was last heard; milliseconds of this process's clock. */
  readonly #heardMs = new Map<PortId, number>();
  readonly #open = new DisposableStack();

  constructor(parts: ArrivalParts) {
    this.#parts = parts;
    this.#open.use(parts.reconciler.watchItems((key) => this.#changed(key)));
    this.#open.defer(() => {
      for (const { close } of this.#ears.values()) close();
    });
  }

  [Symbol.dispose](): void {
    this.#open.dispose();
  }

  #changed(key: ItemKey): void {
    const port = portOfKey(key);
    if (!port) return;
    const ifindex = this.#listensAt(port);
    const ear = this.#ears.get(port);
    if (ear?.ifindex === ifindex) return;
    ear?.close();
    this.#ears.delete(port);
    if (ifindex !== undefined) this.#listen(port, ifindex);
    else if (!this.#parts.attachments.get(port)) this.#heardMs.delete(port);
  }

  /** The tap to listen at: by the controller's word, since it is that which a guest's coming changes. */
  #listensAt(port: PortId): number | undefined {
    const { reconciler, attachments, devices } = this.#parts;
    const attachment = attachments.get(port);
    const told = this.#told(port);
    if (attachment?.kind !== 'tap' || attachment.state !== 'attached' || hasArrived(attachment) || !told)
      return undefined;
    if (told.standby === undefined || told.standby !== reconciler.host?.number) return undefined;
    return devices.all.get(port)?.ifindex;
  }

  #told = (port: PortId): PortItem | undefined =>
    this.#parts.reconciler.state.told.get(portKey(port)) as PortItem | undefined;

  #listen(port: PortId, ifindex: number): void {
    const { pauseMs = 1_000 } = this.#parts;
    const wait = (this.#heardMs.get(port) ?? Number.NEGATIVE_INFINITY) + pauseMs - performance.now();
    if (wait > 0) {
      const timer = setTimeout(() => this.#parts.reconciler.touchPort(port), wait).unref();
      this.#ears.set(port, { ifindex: -1, close: () => clearTimeout(timer) });
      return;
    }
    const { mac } = this.#told(port)!;
    try {
      this.#ears.set(port, { ifindex, close: this.#openEar(port, ifindex, macBytes(mac)) });
    } catch (err) {
      // The device is gone, and comes again; or the host is out of something, and a later pass tries again.
      this.#parts.log.warn({ err, port }, 'cannot listen for a guest that is to come');
    }
  }

  #openEar(port: PortId, ifindex: number, mac: Uint8Array): () => void {
    const view = new DataView(mac.buffer, mac.byteOffset);
    const isItsOwn = [
      { at: 6, size: 4, is: [view.getUint32(0)] },
      { at: 10, size: 2, is: [view.getUint16(4)] },
    ] as const;
    const fd = openPacketSocket({ ifindex, ethertype: everyEthertype, any: [isItsOwn], bufferBytes });
    const watch = watchSocket(fd, () => {
      if (recv(fd, frame, 0) > 0) this.#heard(port);
    });
    return () => watch[Symbol.dispose]();
  }

  #heard(port: PortId): void {
    this.#ears.get(port)?.close();
    this.#ears.set(port, { ifindex: -1, close: () => undefined });
    this.#heardMs.set(port, performance.now());
    this.#parts.onArrival(port);
  }
}

/** What is said does not matter. */
const frame = new Uint8Array(64);
