/** Ethernet frames with UDP or ICMPv6 in them: read as the datapath lets them through, written whole, checksums included. */
import { type Ip, ipBytes, ipFamily, ipText, type Mac, macBytes, macText } from '../../model/address.ts';

const ETH = 14;
const IP4 = 20;
const IP6 = 40;
const UDP = 8;
const TYPE_IP4 = 0x0800;
const TYPE_IP6 = 0x86dd;
const PROTO_UDP = 17;
const PROTO_ICMP6 = 58;

/** One end of a packet. */
export interface End {
  readonly mac: Mac;
  readonly ip: Ip;
}
/** Where a packet goes. */
export interface Way {
  readonly from: End;
  readonly to: End;
}
/** A packet that was read; `payload` is what the upper protocol carries: of ICMPv6, the whole message. */
export interface Read extends Way {
  readonly protocol: 'udp' | 'icmp6';
  /** UDP ports; 0 of ICMPv6. */
  readonly fromPort: number;
  readonly toPort: number;
  /** TTL or hop limit. */
  readonly hops: number;
  readonly payload: Uint8Array;
}

/** A frame's packet; undefined if its lengths do not fit, or it is none of these. Options and fragments are none. */
export function readFrame(frame: Uint8Array): Read | undefined {
  if (frame.length < ETH + IP4) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const macs = { from: macText(frame.subarray(6, 12)), to: macText(frame.subarray(0, 6)) };
  const type = view.getUint16(12);
  if (type === TYPE_IP4) return readIp4(frame, view, macs);
  return type === TYPE_IP6 ? readIp6(frame, view, macs) : undefined;
}

type Macs = { readonly from: Mac; readonly to: Mac };

function readIp4(frame: Uint8Array, view: DataView, macs: Macs): Read | undefined {
  const end = ETH + view.getUint16(16);
  if (frame[ETH] !== 0x45 || frame[23] !== PROTO_UDP || (view.getUint16(20) & 0x3fff) !== 0) return undefined;
  if (end > frame.length) return undefined;
  const way = ends(macs, frame.subarray(26, 30), frame.subarray(30, 34));
  return readUdp(frame.subarray(ETH + IP4, end), way, frame[22]!);
}

function readIp6(frame: Uint8Array, view: DataView, macs: Macs): Read | undefined {
  if (frame.length < ETH + IP6) return undefined;
  const end = ETH + IP6 + view.getUint16(18);
  if (frame[ETH]! >> 4 !== 6 || end > frame.length) return undefined;
  const way = ends(macs, frame.subarray(22, 38), frame.subarray(38, 54));
  const body = frame.subarray(ETH + IP6, end);
  if (frame[20] === PROTO_UDP) return readUdp(body, way, frame[21]!);
  if (frame[20] !== PROTO_ICMP6) return undefined;
  return { ...way, protocol: 'icmp6', fromPort: 0, toPort: 0, hops: frame[21]!, payload: body };
}

const ends = (macs: Macs, from: Uint8Array, to: Uint8Array): Way => ({
  from: { mac: macs.from, ip: ipText(from) },
  to: { mac: macs.to, ip: ipText(to) },
});

/** Its checksum is not looked at: the sender's kernel leaves it to a device, and here is none. */
function readUdp(body: Uint8Array, way: Way, hops: number): Read | undefined {
  if (body.length < UDP) return undefined;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const length = view.getUint16(4);
  if (length < UDP || length > body.length) return undefined;
  const payload = body.subarray(UDP, length);
  return { ...way, protocol: 'udp', fromPort: view.getUint16(0), toPort: view.getUint16(2), hops, payload };
}

/** A frame with a UDP datagram, of the family of the addresses. */
export function udpFrame(way: Way, fromPort: number, toPort: number, payload: Uint8Array): Uint8Array {
  const body = new Uint8Array(UDP + payload.length);
  const view = new DataView(body.buffer);
  view.setUint16(0, fromPort);
  view.setUint16(2, toPort);
  view.setUint16(4, body.length);
  body.set(payload, UDP);
  view.setUint16(6, upperChecksum(way, PROTO_UDP, body) || 0xffff);
  return ipFrame(way, PROTO_UDP, 64, body);
}

/** A frame with an ICMPv6 message of neighbour discovery, whose checksum field is made here. */
export function icmp6Frame(way: Way, message: Uint8Array): Uint8Array {
  const body = Uint8Array.from(message);
  const view = new DataView(body.buffer);
  view.setUint16(2, 0);
  view.setUint16(2, upperChecksum(way, PROTO_ICMP6, body));
  return ipFrame(way, PROTO_ICMP6, 255, body);
}

/** True if an ICMPv6 message carries its own right checksum. */
export const icmp6Sound = (way: Way, message: Uint8Array): boolean => upperChecksum(way, PROTO_ICMP6, message) === 0;

function ipFrame(way: Way, protocol: number, hops: number, body: Uint8Array): Uint8Array {
  const four = ipFamily(way.from.ip) === 4;
  const at = ETH + (four ? IP4 : IP6);
  const frame = new Uint8Array(at + body.length);
  const view = new DataView(frame.buffer);
  frame.set(macBytes(way.to.mac), 0);
  frame.set(macBytes(way.from.mac), 6);
  view.setUint16(12, four ? TYPE_IP4 : TYPE_IP6);
  if (four) {
    view.setUint16(14, 0x45c0); // DSCP CS6, network control
    view.setUint16(16, IP4 + body.length);
    frame[22] = hops;
    frame[23] = protocol;
    frame.set(ipBytes(way.from.ip), 26);
    frame.set(ipBytes(way.to.ip), 30);
    view.setUint16(24, checksum(frame.subarray(ETH, at)));
  } else {
    view.setUint32(14, 0x6c000000);
    view.setUint16(18, body.length);
    frame[20] = protocol;
    frame[21] = hops;
    frame.set(ipBytes(way.from.ip), 22);
    frame.set(ipBytes(way.to.ip), 38);
  }
  frame.set(body, at);
  return frame;
}

/** With the pseudo header (RFC 768, RFC 8200 §8.1). */
function upperChecksum({ from, to }: Way, protocol: number, body: Uint8Array): number {
  const pseudo = new Uint8Array(8);
  const view = new DataView(pseudo.buffer);
  view.setUint32(0, body.length);
  view.setUint32(4, protocol);
  return checksum(ipBytes(from.ip), ipBytes(to.ip), pseudo, body);
}

/** Internet checksum (RFC 1071); only the last part may have an odd length. */
function checksum(...parts: readonly Uint8Array[]): number {
  let sum = 0;
  for (const part of parts) for (let i = 0; i < part.length; i += 2) sum += (part[i]! << 8) | (part[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}
