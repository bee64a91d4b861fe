/**
 * What hosts say to each other on a segment: who serves it, for which port. A frame of its own ethertype to a group address,
 * signed with a key that is made of the network's id, which never crosses the segment: a machine there can neither make one
 * nor, as each has a number that only grows, use one again.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { helloGroup, helloMac, macBytes } from '../../model/address.ts';
import type { HostNumber, NetworkId, PortId } from '../../model/ids.ts';

/** IEEE 802 local experimental ethertype 1. */
export const HELLO_TYPE = 0x88b5;

/** What a hello says. */
export interface Hello {
  /** The segment's port, as the sender has it. */
  readonly port: PortId;
  readonly host: HostNumber;
  /** Where it was sent: tag (0: none) and device of the sender's. */
  readonly vlan: number;
  readonly ifindex: number;
  /** The sender forwards for the segment now. */
  readonly active: boolean;
  /** The sender is whom the controller has bound the port to, as far as it knows. */
  readonly chosen: boolean;
  /** The sender has the controller's ear. */
  readonly connected: boolean;
  /** Store revision of the port that the sender goes by. */
  readonly revision: bigint;
  /** Grows with each hello of a host, over restarts too: microseconds of its clock. */
  readonly sequence: bigint;
}

/** The key of a network's hellos, and the tag by which its hosts know them. */
export interface HelloKey {
  readonly key: Uint8Array;
  readonly tag: Uint8Array;
}

const MAGIC = 0x68646c01;
const ETH = 14;
const AT = {
  flags: 4,
  tag: 8,
  port: 16,
  host: 32,
  vlan: 34,
  ifindex: 36,
  revision: 40,
  sequence: 48,
  signature: 56,
} as const;
const TAG = 8;
const SIGNATURE = 16;
const LENGTH = AT.signature + SIGNATURE;
const flag = { active: 1, connected: 2, chosen: 4 } as const;

/** From what only who may read the network's objects knows. */
export function helloKey(network: NetworkId): HelloKey {
  const key = createHash('sha256').update(`heddle segment hello ${network}`).digest();
  return { key, tag: createHmac('sha256', key).update('tag').digest().subarray(0, TAG) };
}

/** The whole frame, untagged. */
export function helloFrame(hello: Hello, { key, tag }: HelloKey): Uint8Array {
  const frame = new Uint8Array(ETH + LENGTH);
  frame.set(macBytes(helloGroup), 0);
  frame.set(macBytes(helloMac(hello.host)), 6);
  const view = new DataView(frame.buffer);
  view.setUint16(12, HELLO_TYPE);
  const body = new DataView(frame.buffer, ETH);
  body.setUint32(0, MAGIC);
  const flags = (['active', 'connected', 'chosen'] as const).reduce((f, name) => f | (hello[name] ? flag[name] : 0), 0);
  body.setUint8(AT.flags, flags);
  frame.set(tag, ETH + AT.tag);
  frame.set(Buffer.from(hello.port.replaceAll('-', ''), 'hex'), ETH + AT.port);
  body.setUint16(AT.host, hello.host);
  body.setUint16(AT.vlan, hello.vlan);
  body.setUint32(AT.ifindex, hello.ifindex);
  body.setBigUint64(AT.revision, hello.revision);
  body.setBigUint64(AT.sequence, hello.sequence);
  frame.set(signature(frame, key), ETH + AT.signature);
  return frame;
}

/** What a frame says; undefined if it is no hello of this network's hosts. */
export function readHello(frame: Uint8Array, { key, tag }: HelloKey): Hello | undefined {
  if (frame.length < ETH + LENGTH) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  if (view.getUint16(12) !== HELLO_TYPE || view.getUint32(ETH) !== MAGIC) return undefined;
  const part = (at: number, size: number) => frame.subarray(ETH + at, ETH + at + size);
  if (!timingSafeEqual(part(AT.tag, TAG), tag)) return undefined;
  if (!timingSafeEqual(part(AT.signature, SIGNATURE), signature(frame, key))) return undefined;
  const flags = view.getUint8(ETH + AT.flags);
  return {
    port: uuidText(part(AT.port, 16)),
    host: view.getUint16(ETH + AT.host) as HostNumber,
    vlan: view.getUint16(ETH + AT.vlan),
    ifindex: view.getUint32(ETH + AT.ifindex),
    active: (flags & flag.active) !== 0,
    connected: (flags & flag.connected) !== 0,
    chosen: (flags & flag.chosen) !== 0,
    revision: view.getBigUint64(ETH + AT.revision),
    sequence: view.getBigUint64(ETH + AT.sequence),
  };
}

/** Of all that comes before it in the payload; what switches may change, the Ethernet header, is not in it. */
const signature = (frame: Uint8Array, key: Uint8Array): Uint8Array =>
  createHmac('sha256', key)
    .update(frame.subarray(ETH, ETH + AT.signature))
    .digest()
    .subarray(0, SIGNATURE);

const uuidText = (bytes: Uint8Array): PortId =>
  Buffer.from(bytes)
    .toString('hex')
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') as PortId;
