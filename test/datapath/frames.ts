/** Packets as bytes, for tests: builders with right lengths and checksums, that cases then break on purpose. */
import { type Ip, ipBytes, type Mac, macBytes } from '../../src/model/address.ts';

export type Bytes = Uint8Array<ArrayBuffer>;
export function join(...parts: readonly ArrayLike<number>[]): Bytes {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    all.set(p, at);
    at += p.length;
  }
  return all;
}
export const be16 = (n: number): number[] => [(n >>> 8) & 255, n & 255];
export const be32 = (n: number): number[] => [...be16(n >>> 16), ...be16(n & 0xffff)];
export const mac = (text: string): Uint8Array => macBytes(text as Mac);
export const ip = (text: string): Uint8Array => ipBytes(text as Ip);
export const read16 = (b: ArrayLike<number>, at: number): number => ((b[at] ?? 0) << 8) | (b[at + 1] ?? 0);

/** A copy with the bytes at `at` replaced. */
export function patch(frame: Uint8Array, at: number, ...bytes: number[]): Bytes {
  const copy = Uint8Array.from(frame);
  copy.set(bytes, at);
  return copy;
}

/** Internet checksum (RFC 1071) over the bytes; 0 when they contain their own right checksum. */
export function checksum(...parts: readonly ArrayLike<number>[]): number {
  const all = join(...parts);
  let sum = 0;
  for (let i = 0; i < all.length; i += 2) sum += read16(all, i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
const pseudo = (src: Uint8Array, dst: Uint8Array, proto: number, length: number) =>
  join(src, dst, be32(length), be32(proto));
/** Checksum of an upper-layer message with its pseudo header. */
export const upperChecksum = (src: Uint8Array, dst: Uint8Array, proto: number, message: Uint8Array): number =>
  checksum(pseudo(src, dst, proto, message.length), message);

export const eth = (dst: Uint8Array, src: Uint8Array, type: number, payload: ArrayLike<number> = []): Bytes =>
  join(dst, src, be16(type), payload);

export interface Ip4 {
  readonly src: string;
  readonly dst: string;
  readonly proto?: number;
  readonly tos?: number;
  readonly id?: number;
  /** Flags and offset. */
  readonly fragment?: number;
  readonly ttl?: number;
  readonly options?: ArrayLike<number>;
}
export function ip4(h: Ip4, payload: ArrayLike<number> = []): Bytes {
  const options = h.options ?? [];
  const words = 5 + options.length / 4;
  const header = join(
    [0x40 | words, h.tos ?? 0],
    be16(words * 4 + payload.length),
    be16(h.id ?? 0),
    be16(h.fragment ?? 0x4000),
    [h.ttl ?? 64, h.proto ?? 17, 0, 0],
    ip(h.src),
    ip(h.dst),
    options,
  );
  return join(patch(header, 10, ...be16(checksum(header))), payload);
}

export interface Ip6 {
  readonly src: string;
  readonly dst: string;
  readonly next?: number;
  readonly class?: number;
  readonly hops?: number;
}
export const ip6 = (h: Ip6, payload: ArrayLike<number> = []): Bytes =>
  join(
    be32(0x60000000 + ((h.class ?? 0) << 20)),
    be16(payload.length),
    [h.next ?? 17, h.hops ?? 64],
    ip(h.src),
    ip(h.dst),
    payload,
  );

export const udp = (sport: number, dport: number, payload: ArrayLike<number> = []): Bytes =>
  join(be16(sport), be16(dport), be16(8 + payload.length), [0, 0], payload);
export const tcp = (sport: number, dport: number, payload: ArrayLike<number> = [], flags = 0x10): Bytes =>
  join(be16(sport), be16(dport), be32(1), be32(2), [0x50, flags], be16(1000), [0, 0, 0, 0], payload);

export interface Arp {
  readonly op?: number;
  readonly senderMac: Uint8Array;
  readonly senderIp: string;
  readonly targetMac?: Uint8Array;
  readonly targetIp: string;
}
export const arp = (a: Arp): Bytes =>
  join(
    be16(1),
    be16(0x800),
    [6, 4],
    be16(a.op ?? 1),
    a.senderMac,
    ip(a.senderIp),
    a.targetMac ?? new Uint8Array(6),
    ip(a.targetIp),
  );

/** An ICMPv6 message with its checksum. */
export function icmp6(src: string, dst: string, type: number, code: number, body: ArrayLike<number>): Bytes {
  const message = join([type, code, 0, 0], body);
  return patch(message, 2, ...be16(upperChecksum(ip(src), ip(dst), 58, message)));
}
/** The solicited-node group of an address, and its MAC. */
export const solicitedNode = (target: string): string => {
  const t = ip(target);
  return `ff02::1:ff${hex(t.subarray(13, 14))}:${hex(t.subarray(14, 16))}`;
};
export const solicitedMac = (target: string): Uint8Array => join([0x33, 0x33, 0xff], ip(target).subarray(13));
export interface Solicitation {
  readonly src: string;
  readonly target: string;
  readonly dst?: string;
  readonly hops?: number;
  readonly code?: number;
  readonly options?: ArrayLike<number>;
}
/** IPv6 packet with a neighbour solicitation. */
export function solicit(s: Solicitation): Bytes {
  const dst = s.dst ?? solicitedNode(s.target);
  const body = join(be32(0), ip(s.target), s.options ?? []);
  return ip6({ src: s.src, dst, next: 58, hops: s.hops ?? 255 }, icmp6(s.src, dst, 135, s.code ?? 0, body));
}
export const sourceMacOption = (m: Uint8Array): Bytes => join([1, 1], m);

export interface Outer extends Partial<Ip4> {
  readonly src: string;
  readonly dst: string;
  readonly vni: number;
  readonly sport?: number;
  readonly dport?: number;
}
export const vxlan = (vni: number, inner: ArrayLike<number>): Bytes => join([8, 0, 0, 0], be32(vni * 256), inner);
/** A frame as the other host's NIC sends it. */
export const encapsulated = (o: Outer, inner: ArrayLike<number>): Bytes =>
  eth(
    mac('02:00:00:00:01:01'),
    mac('02:00:00:00:01:02'),
    0x800,
    ip4(o, udp(o.sport ?? 40_000, o.dport ?? 4789, vxlan(o.vni, inner))),
  );
export const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');
