/**
 * Netlink messages and their type-length-value attributes as bytes (RFC 3549 §2.2; include/uapi/linux/netlink.h).
 * Pure. Integers are in the machine's order, little endian here; lengths exclude the padding to four bytes.
 */
import { HeddleError } from '../model/errors.ts';

const HEADER = 16;
const NESTED = 0x8000;
const TYPE_MASK = 0x3fff;
const align = (n: number): number => (n + 3) & ~3;
const viewOf = (b: Uint8Array): DataView => new DataView(b.buffer, b.byteOffset, b.byteLength);

/** One attribute to encode. */
export interface Attribute {
  readonly type: number;
  readonly value: Uint8Array;
}
/** Attributes as read, by type without its flag bits; of a repeated type the last one counts, as in the kernel. */
export type Attributes = ReadonlyMap<number, Uint8Array>;

/** One message: its header's fields and what follows the header. */
export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly seq: number;
  /** Port id of the requester to whom it answers; 0 in notifications that nobody asked for. */
  readonly pid: number;
  readonly body: Uint8Array;
}

/** Joins byte strings. */
export function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}

const number = (size: 1 | 2 | 4 | 8, write: (v: DataView) => void): Uint8Array => {
  const out = new Uint8Array(size);
  write(new DataView(out.buffer));
  return out;
};
export const raw = (type: number, value: Uint8Array): Attribute => ({ type, value });
export const u8 = (type: number, n: number): Attribute => raw(type, Uint8Array.of(n));
export const u16 = (type: number, n: number): Attribute =>
  raw(
    type,
    number(2, (v) => v.setUint16(0, n, true)),
  );
/** A 16-bit number in network order: ports and EtherTypes. */
export const be16 = (type: number, n: number): Attribute =>
  raw(
    type,
    number(2, (v) => v.setUint16(0, n)),
  );
export const u32 = (type: number, n: number): Attribute =>
  raw(
    type,
    number(4, (v) => v.setUint32(0, n, true)),
  );
/** A string with its final zero byte. */
export const text = (type: number, s: string): Attribute => raw(type, new TextEncoder().encode(`${s}\0`));
/** An attribute that is only there or not. */
export const flag = (type: number): Attribute => raw(type, new Uint8Array());
/** An attribute made of attributes; `head` is a struct that some of them begin with. */
export const nested = (type: number, inner: readonly Attribute[], head: Uint8Array = new Uint8Array()): Attribute =>
  raw(type | NESTED, concat([head, encodeAttributes(inner)]));

/** The attributes in order, each padded to four bytes. */
export function encodeAttributes(attributes: readonly Attribute[]): Uint8Array {
  const out = new Uint8Array(attributes.reduce((n, a) => n + align(4 + a.value.length), 0));
  const view = viewOf(out);
  let at = 0;
  for (const { type, value } of attributes) {
    view.setUint16(at, 4 + value.length, true);
    view.setUint16(at + 2, type, true);
    out.set(value, at + 4);
    at += align(4 + value.length);
  }
  return out;
}

/**
 * Reads attributes up to the end of `bytes`; the values are views, not copies.
 * @throws INTERNAL when a length does not fit: the kernel does not send that, so the offset given was wrong
 */
export function decodeAttributes(bytes: Uint8Array): Attributes {
  const found = new Map<number, Uint8Array>();
  const view = viewOf(bytes);
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = view.getUint16(at, true);
    if (length < 4 || at + length > bytes.length) throw malformed(`attribute of ${length} bytes at ${at}`);
    found.set(view.getUint16(at + 2, true) & TYPE_MASK, bytes.subarray(at + 4, at + length));
    at += align(length);
  }
  return found;
}

/** One request message. */
export function encodeMessage(m: Message): Uint8Array {
  const out = new Uint8Array(HEADER + m.body.length);
  const view = viewOf(out);
  view.setUint32(0, out.length, true);
  view.setUint16(4, m.type, true);
  view.setUint16(6, m.flags, true);
  view.setUint32(8, m.seq, true);
  view.setUint32(12, m.pid, true);
  out.set(m.body, HEADER);
  return out;
}

/**
 * The messages of one datagram, with copied bodies so that the receive buffer can be used again.
 * @throws INTERNAL when a length does not fit
 */
export function decodeMessages(bytes: Uint8Array): Message[] {
  const found: Message[] = [];
  const view = viewOf(bytes);
  for (let at = 0; at + HEADER <= bytes.length; ) {
    const length = view.getUint32(at, true);
    if (length < HEADER || at + length > bytes.length) throw malformed(`message of ${length} bytes at ${at}`);
    found.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      seq: view.getUint32(at + 8, true),
      pid: view.getUint32(at + 12, true),
      body: bytes.slice(at + HEADER, at + length),
    });
    at += align(length);
  }
  return found;
}

const malformed = (what: string) => new HeddleError('INTERNAL', { problem: `malformed netlink: ${what}` });

/** The number in 1, 2 or 4 bytes, unsigned; undefined without a value. */
export function readNumber(value: Uint8Array | undefined): number | undefined {
  if (value === undefined) return undefined;
  const view = viewOf(value);
  if (value.length === 1) return view.getUint8(0);
  return value.length === 2 ? view.getUint16(0, true) : view.getUint32(0, true);
}
/** The string up to its zero byte; undefined without a value. */
export function readText(value: Uint8Array | undefined): string | undefined {
  if (value === undefined) return undefined;
  const end = value.indexOf(0);
  return new TextDecoder().decode(end < 0 ? value : value.subarray(0, end));
}

/** The fields that have a value, for objects whose optional fields are absent rather than undefined. */
export const present = <T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(fields).filter(([, v]) => v !== undefined)) as never;
