/** What a frame of a segment says of who is there: the sender's MAC and the address that it says it has. */
import { type Ip, ipText, type Mac, macText } from '../../model/address.ts';

const ARP = 0x0806;
const IP6 = 0x86dd;
const ICMP6 = 58;
const NS = 135;
const NA = 136;
/** Ends of what is read: of ARP for IPv4 over Ethernet, of a neighbour solicitation or advertisement. */
const ARP_END = 42;
const ND_END = 78;

/** Somebody is there. */
export interface Heard {
  readonly mac: Mac;
  readonly ip: Ip;
}

/**
 * From ARP of any kind, and from neighbour solicitations and advertisements. Whose Ethernet source is another than the MAC
 * that it speaks of says nothing; nor does who has no address yet.
 */
export function heardIn(frame: Uint8Array): Heard | undefined {
  if (frame.length < ARP_END || (frame[6]! & 1) !== 0) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const type = view.getUint16(12);
  const ip = type === ARP ? arpSender(frame, view) : type === IP6 ? ndSender(frame) : undefined;
  return ip && { mac: macText(frame.subarray(6, 12)), ip: ipText(ip) };
}

/** RFC 826; an address of zeros is a probe (RFC 5227 §2.1.1). */
function arpSender(frame: Uint8Array, view: DataView): Uint8Array | undefined {
  if (view.getUint32(14) !== 0x00010800 || view.getUint16(18) !== 0x0604) return undefined;
  const ip = frame.subarray(28, 32);
  return view.getUint32(28) !== 0 && same(frame, 22, 6, 6) ? ip : undefined;
}

/** RFC 4861 §7: who solicits has the packet's source, who advertises the target. Both only come from the link itself. */
function ndSender(frame: Uint8Array): Uint8Array | undefined {
  if (frame.length < ND_END || frame[20] !== ICMP6 || frame[21] !== 255) return undefined;
  const ip = frame[54] === NS ? frame.subarray(22, 38) : frame[54] === NA ? frame.subarray(62, 78) : undefined;
  return ip?.some((b) => b !== 0) && ip[0] !== 0xff ? ip : undefined;
}

/** True if so many bytes are the same at both places. */
function same(frame: Uint8Array, a: number, b: number, size: number): boolean {
  for (let i = 0; i < size; i++) if (frame[a + i] !== frame[b + i]) return false;
  return true;
}
