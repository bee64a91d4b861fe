/**
 * Taps whose other end the test holds: what it writes comes to the host by the device, and what the host sends by the device
 * it reads, with tags, and with what is still to be cut and summed (struct virtio_net_hdr).
 */
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { ioctlWith } from '../../src/kernel/libc.ts';
import { join } from './frames.ts';

const TUNSETIFF = 0x400454ca;
const TUNSETOFFLOAD = 0x400454d0;
const [IFF_TAP, IFF_NO_PI, IFF_VNET_HDR] = [0x0002, 0x1000, 0x4000];
/** TUN_F_CSUM, TSO4, TSO6. */
const offloads = 0x7;
const HEADER = 10;
const NEEDS_CSUM = 1;

/** What is left to do in a frame: segments of so many bytes behind the headers, and the TCP checksum. */
export interface Unfinished {
  readonly gsoSize: number;
  /** Headers up to the payload, bytes. */
  readonly headers: number;
  /** Offset of the layer-4 header. */
  readonly l4: number;
}
/** A frame that came out. `gsoSize`: it is still to be cut. */
export interface Sent {
  readonly frame: Uint8Array;
  readonly gsoSize: number;
  /** Its checksum is still to be made. */
  readonly unsummed: boolean;
}
/** A tap and its other end. */
export interface Wire extends Disposable {
  write(frame: Uint8Array, rest?: Unfinished): void;
  /** What the host has sent since the last call. */
  sent(): Sent[];
}

/** Makes the tap in the calling thread's namespace. `cuts`: what goes there is to be cut and summed before. */
export function openWire(name: string, { cuts = false } = {}): Wire {
  const fd = openSync('/dev/net/tun', constants.O_RDWR | constants.O_NONBLOCK);
  const ifreq = new Uint8Array(40);
  new TextEncoder().encodeInto(name, ifreq);
  new DataView(ifreq.buffer).setUint16(16, IFF_TAP | IFF_NO_PI | IFF_VNET_HDR, true);
  ioctlWith(fd, TUNSETIFF, ifreq, `tap ${name}`);
  if (!cuts) ioctlWith(fd, TUNSETOFFLOAD, offloads, `tap ${name}`);
  const buffer = new Uint8Array(70_000);
  return {
    write(frame, rest) {
      const header = new DataView(new ArrayBuffer(HEADER));
      if (rest) {
        header.setUint8(0, NEEDS_CSUM);
        header.setUint8(1, 1); // TCP over IPv4
        for (const [i, n] of [rest.headers, rest.gsoSize, rest.l4, 16].entries()) header.setUint16(2 + 2 * i, n, true);
      }
      writeSync(fd, join(new Uint8Array(header.buffer), frame));
    },
    sent() {
      const all: Sent[] = [];
      for (let n = readNow(fd, buffer); n !== undefined; n = readNow(fd, buffer)) {
        const view = new DataView(buffer.buffer);
        all.push({
          frame: buffer.slice(HEADER, n),
          gsoSize: view.getUint8(1) === 0 ? 0 : view.getUint16(4, true),
          unsummed: view.getUint8(0) === NEEDS_CSUM,
        });
      }
      return all;
    },
    [Symbol.dispose]: () => closeSync(fd),
  };
}

function readNow(fd: number, into: Uint8Array): number | undefined {
  try {
    return readSync(fd, into);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'EAGAIN') return undefined;
    throw e;
  }
}
