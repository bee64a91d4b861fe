/** DHCPv4 messages (RFC 2131 §2, RFC 2132, RFC 3396): bytes to values and back. Pure. */
import { type Ip, ipBytes, ipText, type Mac, macBytes, macText } from '../../model/address.ts';
import { joined } from './options.ts';

/** Option codes. */
export const option4 = {
  mask: 1,
  router: 3,
  dns: 6,
  hostName: 12,
  domain: 15,
  mtu: 26,
  requestedAddress: 50,
  leaseSeconds: 51,
  overload: 52,
  type: 53,
  server: 54,
  wanted: 55,
  maxSize: 57,
  renewSeconds: 58,
  rebindSeconds: 59,
  client: 61,
  bootServer: 66,
  bootFile: 67,
  rapidCommit: 80,
  search: 119,
  routes: 121,
  routesMicrosoft: 249,
} as const;

/** Message types, by their numbers (RFC 2132 §9.6). */
const types4 = [undefined, 'discover', 'offer', 'request', 'decline', 'ack', 'nak', 'release', 'inform'] as const;
/** What a message is. */
export type Type4 = NonNullable<(typeof types4)[number]>;

/** What a client sends. */
export interface Request4 {
  readonly type: Type4;
  readonly xid: number;
  /** The client asks for answers to everybody. */
  readonly broadcast: boolean;
  /** Its own address, if it uses one: 0.0.0.0 else. */
  readonly ciaddr: Ip;
  /** Of a relay; 0.0.0.0 without. */
  readonly giaddr: Ip;
  readonly mac: Mac;
  readonly options: ReadonlyMap<number, Uint8Array>;
}

const COOKIE = [0x63, 0x82, 0x53, 0x63];
const FIXED = 240;
const FILE = 108;
const SNAME = 44;
/** A message of BOOTP is no shorter (RFC 1542 §2.1), and some clients still mind. */
const SIZE_MIN = 300;
const [PAD, END] = [0, 255];

/** A client's message; undefined if it is none: wrong lengths, no type, not Ethernet. */
export function parseRequest4(bytes: Uint8Array): Request4 | undefined {
  if (bytes.length < FIXED || bytes[0] !== 1 || bytes[1] !== 1 || bytes[2] !== 6) return undefined;
  if (COOKIE.some((b, i) => bytes[236 + i] !== b)) return undefined;
  const options = optionsOf(bytes);
  const type = types4[options?.get(option4.type)?.[0] ?? 0];
  if (!options || !type || options.get(option4.type)!.length !== 1) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    type,
    xid: view.getUint32(4),
    broadcast: bytes[10]! >= 0x80,
    ciaddr: ipText(bytes.subarray(12, 16)),
    giaddr: ipText(bytes.subarray(24, 28)),
    mac: macText(bytes.subarray(28, 34)),
    options,
  };
}

/** All options, those in the fields `file` and `sname` too; the parts of one belong together (RFC 3396). */
function optionsOf(bytes: Uint8Array): Map<number, Uint8Array> | undefined {
  const options = new Map<number, Uint8Array>();
  if (!readOptions(bytes.subarray(FIXED), options)) return undefined;
  const overload = options.get(option4.overload)?.[0] ?? 0;
  if (overload & 1 && !readOptions(bytes.subarray(FILE, FILE + 128), options)) return undefined;
  if (overload & 2 && !readOptions(bytes.subarray(SNAME, SNAME + 64), options)) return undefined;
  return options;
}

function readOptions(bytes: Uint8Array, into: Map<number, Uint8Array>): boolean {
  for (let at = 0; at < bytes.length; ) {
    const code = bytes[at]!;
    if (code === END) return true;
    if (code === PAD) {
      at += 1;
      continue;
    }
    const length = bytes[at + 1];
    if (length === undefined || at + 2 + length > bytes.length) return false;
    into.set(code, joined(into.get(code) ?? [], bytes.subarray(at + 2, at + 2 + length)));
    at += 2 + length;
  }
  // Some clients forget the end.
  return true;
}

/** What is answered. `options` stand in the order in which they matter: what has no room is left out from the end on. */
export interface Reply4 {
  readonly type: 'offer' | 'ack' | 'nak';
  readonly to: Request4;
  /** The address that the client gets; absent: none. */
  readonly yiaddr?: Ip;
  /** Where it boots from. */
  readonly siaddr?: Ip;
  readonly file?: string;
  readonly options: readonly (readonly [code: number, value: ArrayLike<number>])[];
}

/** The message in bytes, at most `sizeMax` of them. */
export function encodeReply4(reply: Reply4, sizeMax: number): Uint8Array {
  const { to, type, yiaddr, siaddr, file = '' } = reply;
  const head = new Uint8Array(FIXED);
  const view = new DataView(head.buffer);
  head.set([2, 1, 6, 0]);
  view.setUint32(4, to.xid);
  view.setUint16(10, to.broadcast ? 0x8000 : 0);
  if (type !== 'nak') head.set(ipBytes(to.ciaddr), 12);
  if (yiaddr) head.set(ipBytes(yiaddr), 16);
  if (siaddr) head.set(ipBytes(siaddr), 20);
  head.set(macBytes(to.mac), 28);
  head.set(new TextEncoder().encode(file).subarray(0, 127), FILE);
  head.set(COOKIE, 236);
  const parts: Uint8Array[] = [head, Uint8Array.of(option4.type, 1, types4.indexOf(type))];
  let size = FIXED + 3 + 1;
  for (const [code, value] of reply.options) {
    const option = optionBytes(code, value);
    if (size + option.length > sizeMax) continue;
    size += option.length;
    parts.push(option);
  }
  const message = joined(...parts, [END]);
  return message.length < SIZE_MIN ? joined(message, new Uint8Array(SIZE_MIN - message.length)) : message;
}

/** In parts of 255 bytes at most; one part of none says no more than that the option is there (rapid commit). */
function optionBytes(code: number, value: ArrayLike<number>): Uint8Array {
  const bytes = Uint8Array.from(value);
  const parts: Uint8Array[] = [];
  let at = 0;
  do {
    const part = bytes.subarray(at, at + 255);
    parts.push(joined([code, part.length], part));
    at += 255;
  } while (at < bytes.length);
  return joined(...parts);
}

/** An option of two bytes as a number; undefined if it is not there, or has another size. */
export function number4(request: Request4, code: number): number | undefined {
  const bytes = request.options.get(code);
  return bytes?.length === 2 ? bytes.reduce((n, b) => n * 256 + b, 0) : undefined;
}

/** An option that is one address. */
export function address4(request: Request4, code: number): Ip | undefined {
  const bytes = request.options.get(code);
  return bytes?.length === 4 ? ipText(bytes) : undefined;
}

/** Routes by prefix (RFC 3442): each its length, the destination's bytes that count, and the next hop. */
export const routeBytes = (
  routes: readonly { readonly length: number; readonly first: Ip; readonly via: Ip }[],
): Uint8Array =>
  joined(
    ...routes.map((r) => joined([r.length], ipBytes(r.first).subarray(0, Math.ceil(r.length / 8)), ipBytes(r.via))),
  );
