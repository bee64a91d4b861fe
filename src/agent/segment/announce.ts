/**
 * Tells a segment's switches that ports of the network are reached here now: a frame from each port's MAC to all, as
 * hypervisors send for a guest that has moved. Without it they would send to the other host's NIC until the port speaks.
 */
import { type Mac, macBytes } from '../../model/address.ts';
import { joined } from '../dhcp/options.ts';

/** Frames in one turn of the event loop, so that a NIC's queue takes them. */
const AT_ONCE = 128;
const BROADCAST = [255, 255, 255, 255, 255, 255];

/** RARP "request reverse" for the MAC itself (RFC 903): nobody answers. */
function rarp(mac: Mac): Uint8Array {
  const own = macBytes(mac);
  const zero = [0, 0, 0, 0];
  return joined(BROADCAST, own, [0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3], own, zero, own, zero, new Uint8Array(18));
}

/** Sends them, a turn's worth at a time, until `signal` aborts. */
export function announce(macs: Iterable<Mac>, send: (frame: Uint8Array) => unknown, signal: AbortSignal): void {
  const left = [...macs];
  const turn = (): void => {
    if (signal.aborted) return;
    for (const mac of left.splice(0, AT_ONCE)) send(rarp(mac));
    if (left.length > 0) setImmediate(turn);
  };
  turn();
}
