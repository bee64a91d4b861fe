/** Frames by which a machine says, unasked, that an address is its own from now on. Pure. */
import { type Ip, ipBytes, ipFamily, ipText, linkLocal, type Mac, macBytes, macText } from '../../model/address.ts';
import { icmp6Frame } from '../dhcp/frame.ts';
import { joined } from '../dhcp/options.ts';
import type { Heard } from '../segment/hearing.ts';

const ARP = 0x0806;
const IP6 = 0x86dd;
const ICMP6 = 58;
const ADVERTISEMENT = 136;
/** Flags of an advertisement: it answers somebody; it holds against what is remembered. */
const [SOLICITED, OVERRIDE] = [0x40, 0x20];
const TARGET_MAC = [2, 1] as const;
const ARP_END = 42;
const ND_END = 78;

/**
 * Who announces which address: by gratuitous ARP (RFC 5944 §4.6), request or reply, or by an unsolicited neighbour advertisement
 * (RFC 4861 §7.2.6). What asks for others or answers them says nothing: whoever had the address until now does that too.
 */
export function announcedIn(frame: Uint8Array): Heard | undefined {
  if (frame.length < ARP_END) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length);
  const type = view.getUint16(12);
  const ip = type === ARP ? byArp(frame, view) : type === IP6 ? byAdvertisement(frame) : undefined;
  return ip && { mac: macText(frame.subarray(6, 12)), ip: ipText(ip) };
}

function byArp(frame: Uint8Array, view: DataView): Uint8Array | undefined {
  if (view.getUint32(14) !== 0x00010800 || view.getUint16(18) !== 0x0604) return undefined;
  const operation = view.getUint16(20);
  if (operation !== 1 && operation !== 2) return undefined;
  const isOwn = frame.subarray(22, 28).every((b, i) => b === frame[6 + i]);
  return isOwn && view.getUint32(28) === view.getUint32(38) ? frame.subarray(28, 32) : undefined;
}

function byAdvertisement(frame: Uint8Array): Uint8Array | undefined {
  if (frame.length < ND_END || frame[20] !== ICMP6 || frame[21] !== 255 || frame[54] !== ADVERTISEMENT)
    return undefined;
  return (frame[58]! & SOLICITED) === 0 ? frame.subarray(62, 78) : undefined;
}

/** The frame that says so to one station, or to a multicast group: of ARP to a MAC alone. */
export function announcement({ mac, ip }: Heard, to: { readonly mac: Mac; readonly ip6: Ip }): Uint8Array {
  const own = macBytes(mac);
  const address = ipBytes(ip);
  if (ipFamily(ip) === 4) {
    const head = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
    return joined(macBytes(to.mac), own, head, own, address, [0, 0, 0, 0, 0, 0], address, new Uint8Array(18));
  }
  const message = joined([ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0], address, TARGET_MAC, own);
  return icmp6Frame({ from: { mac, ip: linkLocal(mac) }, to: { mac: to.mac, ip: to.ip6 } }, message);
}
