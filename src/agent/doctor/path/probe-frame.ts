/**
 * How hosts ask each other whether packets of VXLAN arrive: a frame of VNI 0, which is no network's, and of an experimental
 * Ethernet type (IEEE 802, local experimental 2), so that nothing but the agent's socket takes it. Numbers in network order:
 *
 *     outer headers | VXLAN 8 | Ethernet 14 | "hdpr" 4, version 1, kind 1, size 2, run 4, spare 4, asker 16, asked 16 | zeros
 */
import { type Ip, ipBytes, ipFamily, ipText } from '../../../model/address.ts';

/** Ethernet type of the frames. */
export const PROBE_TYPE = 0x88b6;
/** What the datapath lets out to the VXLAN port, as HD_MARK of bpf/base.h. */
export const DATAPATH_MARK = 0x48656464;

const MAGIC = 0x68647072; // "hdpr"
const VERSION = 1;
const kinds = { question: 1, answer: 2 } as const;
const ETHERNET = 14;
const VXLAN = 8;
const VXLAN_FLAGS = 0x0800_0000;
const FRAME_BYTES = ETHERNET + 48;
/** Of nobody; the frame goes from agent to agent. */
const MACS = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];

/** Where filters of packet sockets find what, from the Ethernet header on. */
export const fieldAt = { magic: ETHERNET, kind: ETHERNET + 5, run: ETHERNET + 8 } as const;
export const magic: number = MAGIC;
export const kindNumber: Readonly<Record<Probe['kind'], number>> = kinds;

/** A question, or the answer to one, which repeats it. */
export interface Probe {
  readonly kind: 'question' | 'answer';
  /** Size of the question's outer IP packet, bytes. */
  readonly bytes: number;
  /** Of who asks: a random number of 32 bits. */
  readonly run: number;
  /** VTEP of who asks. */
  readonly asker: Ip;
  /** VTEP of who is asked. */
  readonly asked: Ip;
}

/** Bytes of the outer IP and UDP headers. */
const outerBytes = (ip: Ip): number => (ipFamily(ip) === 4 ? 28 : 48);

/** The smallest outer packet of a probe, bytes. */
export const leastProbeBytes = (ip: Ip): number => outerBytes(ip) + VXLAN + FRAME_BYTES;

/** What goes into the UDP datagram, so that the outer IP packet has `packetBytes`, by default as few as possible. */
export function probePayload(probe: Probe, packetBytes: number = leastProbeBytes(probe.asked)): Uint8Array {
  const out = new Uint8Array(packetBytes - outerBytes(probe.asked));
  const v = new DataView(out.buffer);
  v.setUint32(0, VXLAN_FLAGS);
  out.set(MACS, VXLAN);
  v.setUint16(VXLAN + 12, PROBE_TYPE);
  const at = VXLAN + ETHERNET;
  v.setUint32(at, MAGIC);
  v.setUint8(at + 4, VERSION);
  v.setUint8(at + 5, kinds[probe.kind]);
  v.setUint16(at + 6, probe.bytes);
  v.setUint32(at + 8, probe.run);
  out.set(mapped(probe.asker), at + 16);
  out.set(mapped(probe.asked), at + 32);
  return out;
}

/** The probe in a frame, from the Ethernet header on; undefined: it is none that this version reads. */
export function parseProbe(frame: Uint8Array): Probe | undefined {
  if (frame.length < FRAME_BYTES) return undefined;
  const v = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const kind = v.getUint8(fieldAt.kind);
  if (v.getUint32(fieldAt.magic) !== MAGIC || v.getUint8(ETHERNET + 4) !== VERSION) return undefined;
  if (kind !== kinds.question && kind !== kinds.answer) return undefined;
  return {
    kind: kind === kinds.question ? 'question' : 'answer',
    bytes: v.getUint16(ETHERNET + 6),
    run: v.getUint32(fieldAt.run),
    asker: unmapped(frame.subarray(ETHERNET + 16, ETHERNET + 32)),
    asked: unmapped(frame.subarray(ETHERNET + 32, ETHERNET + 48)),
  };
}

const prefix = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]; // RFC 4291 §2.5.5.2
const mapped = (ip: Ip): Uint8Array =>
  ipFamily(ip) === 4 ? Uint8Array.from([...prefix, ...ipBytes(ip)]) : ipBytes(ip);
const unmapped = (bytes: Uint8Array): Ip => ipText(prefix.every((b, i) => bytes[i] === b) ? bytes.subarray(12) : bytes);
