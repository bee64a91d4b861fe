/** An attack by frames: what is sent, the reason that it is dropped and counted for, and its legal twin, which arrives. */
import type { ReasonName } from '../../src/datapath/reasons.ts';
import { eth, type Ip4, type Ip6, ip4, ip6, mac, udp } from '../datapath/frames.ts';
import type { Station } from '../traffic/stage.ts';
import type { Leg } from './attacker.ts';

/** Frames that carry a mark by which they are found. */
export type Marked = (mark: Uint8Array) => Uint8Array[];

export interface Attack {
  /** Its number in the list of attacks. */
  readonly id: string;
  readonly does: string;
  readonly reason: ReasonName;
  readonly hostile: Marked;
  readonly legal: Marked;
}
/** The attacks of one kind, by an attacker's leg on a neighbour. */
export type Attacks = (from: Leg, to: Station) => Attack[];

/** Frames with IPv4 or IPv6 from one to the other, that differ from the truth in some way. */
export interface Differing<H> {
  readonly macs?: readonly [to: string, from: string];
  readonly header?: Partial<H>;
}

/** An IPv4 packet from the attacker to the neighbour. */
export const four = (from: Leg, to: Station, payload: ArrayLike<number>, differs: Differing<Ip4> = {}): Uint8Array => {
  const [target, source] = differs.macs ?? [to.mac, from.mac];
  return eth(mac(target), mac(source), 0x800, ip4({ src: from.ip4, dst: to.ip4, ...differs.header }, payload));
};
/** An IPv6 packet from the attacker to the neighbour. */
export const six = (from: Leg, to: Station, payload: ArrayLike<number>, differs: Differing<Ip6> = {}): Uint8Array => {
  const [target, source] = differs.macs ?? [to.mac, from.mac];
  return eth(mac(target), mac(source), 0x86dd, ip6({ src: from.ip6, dst: to.ip6, ...differs.header }, payload));
};

/** A datagram that nobody minds. */
export const datagram =
  (from: Leg, to: Station): Marked =>
  (mark) => [four(from, to, udp(6767, 6868, mark))];
