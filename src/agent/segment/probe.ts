/** Questions to the machines of a segment: whether one is there still, who has an address, and who is there at all. */
import { type Ip, ipBytes, ipFamily, ipText, linkLocal, type Mac, macBytes } from '../../model/address.ts';
import { icmp6Frame } from '../dhcp/frame.ts';
import { joined } from '../dhcp/options.ts';

const ECHO_REQUEST = 128;
const SOLICITATION = 135;
const SOURCE_MAC = [1, 1] as const;
const BROADCAST = [255, 255, 255, 255, 255, 255];
const ARP_REQUEST = [8, 6, 0, 1, 8, 0, 6, 4, 0, 1];
const NOBODY = [0, 0, 0, 0];
/** All nodes of the link, and the MAC of that group (RFC 4291 §2.7.1, RFC 2464 §7). */
const everybody = { ip: 'ff02::1' as Ip, mac: '33:33:00:00:00:01' as Mac };

/** Who asks. */
export interface Asker {
  readonly mac: Mac;
  /** Absent: it says none. */
  readonly ip?: Ip;
}

/**
 * Asks a machine whether it still has an address; it alone gets the question: an ARP probe (RFC 5227 §2.1.1), or a neighbour
 * solicitation from the asker's link-local address (RFC 4861 §7.3.1).
 */
export function probeFrame(source: Mac, { mac, ip }: { readonly mac: Mac; readonly ip: Ip }): Uint8Array {
  return ipFamily(ip) === 4 ? arp(macBytes(mac), { mac: source }, ip) : solicitation(source, { mac, ip }, ip);
}

/** Asks everybody who has an address. */
export function whoHasFrame(asker: Asker, ip: Ip): Uint8Array {
  if (ipFamily(ip) === 4) return arp(BROADCAST, asker, ip);
  // The group that whoever has the address is in (RFC 4291 §2.7.1).
  const tail = [0xff, ...ipBytes(ip).subarray(13)];
  const group = ipText([0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, ...tail]);
  const mac = ['33', '33', ...tail.map((b) => b.toString(16).padStart(2, '0'))].join(':') as Mac;
  return solicitation(asker.mac, { mac, ip: group }, ip);
}

/** A ping to all: who answers says which address it has of the asker's subnet when it looks for the asker. */
export function whoIsThereFrame({ mac, ip }: Required<Asker>): Uint8Array {
  return icmp6Frame({ from: { mac, ip }, to: everybody }, joined([ECHO_REQUEST, 0, 0, 0], NOBODY));
}

function arp(to: ArrayLike<number>, { mac, ip }: Asker, target: Ip): Uint8Array {
  const from = macBytes(mac);
  return joined(to, from, ARP_REQUEST, from, ip ? ipBytes(ip) : NOBODY, NOBODY, [0, 0], ipBytes(target));
}

function solicitation(source: Mac, to: Required<Asker>, target: Ip): Uint8Array {
  const message = joined([SOLICITATION, 0, 0, 0], NOBODY, ipBytes(target), SOURCE_MAC, macBytes(source));
  return icmp6Frame({ from: { mac: source, ip: linkLocal(source) }, to }, message);
}
