/** A case of a reason: a packet that is counted under it, and its control, which differs in that one respect only. */
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { mac, patch, udp } from './frames.ts';
import type { ProgramName } from './harness.ts';
import { macs } from './world.ts';

export interface Packet {
  readonly program: ProgramName;
  readonly frame: Uint8Array;
  /** Index of the port in the world's list, or `stray`. Port 0 is tenant A's one. */
  readonly from?: number | 'stray';
  readonly mark?: number;
  readonly gsoSize?: number;
  /** Run when the port has asked the host's services too often. */
  readonly exhausted?: boolean;
  /** Run with no VXLAN device configured. */
  readonly noVxlan?: boolean;
}
export interface Case {
  readonly reason: ReasonName;
  readonly does: string;
  readonly packet: Packet;
  /** Slot that the count belongs to. */
  readonly slot: number;
  readonly verdict: 'drop' | 'redirect';
  readonly control: Packet;
  /** What the control gives, if not a redirect without a count. */
  readonly controlGives?: { readonly verdict: 'pass' | 'drop' | 'redirect'; readonly reason?: ReasonName };
}

/** MACs of the world's ports. */
export const m = {
  one: mac(macs.one),
  two: mac(macs.two),
  three: mac(macs.three),
  four: mac(macs.four),
  five: mac(macs.five),
  seven: mac(macs.seven),
  eight: mac(macs.eight),
  nine: mac(macs.nine),
  ten: mac(macs.ten),
  eleven: mac(macs.eleven),
  gateway: mac(macs.gateway),
};
export const everyone = mac('ff:ff:ff:ff:ff:ff');
export const data = udp(1000, 2000, [1, 2, 3, 4]);

/** The same with some bytes changed. */
export const patched = (p: Packet, at: number, ...bytes: number[]): Packet => ({
  ...p,
  frame: patch(p.frame, at, ...bytes),
});

/** A case of a packet that is dropped. */
export const drop = (
  reason: ReasonName,
  does: string,
  packet: Packet,
  control: Packet,
  more: Partial<Case> = {},
): Case => ({
  reason,
  does,
  packet,
  slot: packet.program === 'from_port' ? 1 : 0,
  verdict: 'drop',
  control,
  ...more,
});

/** A packet from tenant A's port. */
export const port = (frame: Uint8Array, more: Partial<Packet> = {}): Packet => ({
  program: 'from_port',
  frame,
  from: 0,
  ...more,
});

/** What the control of a question gives. */
export const arpAnswered = { verdict: 'redirect', reason: 'arp_answered' } as const;
export const ndAnswered = { verdict: 'redirect', reason: 'nd_answered' } as const;
