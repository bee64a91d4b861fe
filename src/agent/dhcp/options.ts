/** Options as DHCP of both kinds and neighbour discovery write them: code, length, bytes. */
import { type Ip, ipBytes } from '../../model/address.ts';

/** Bytes, one after the other. */
export function joined(...parts: readonly ArrayLike<number>[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Two bytes in network order. */
export const be16 = (n: number): number[] => [(n >>> 8) & 255, n & 255];
/** Four bytes in network order. */
export const be32 = (n: number): number[] => [...be16(n >>> 16), ...be16(n)];
/** Addresses, one after the other. */
export const addressBytes = (ips: readonly Ip[]): Uint8Array => joined(...ips.map(ipBytes));
/** A text's bytes. */
export const textBytes = (text: string): Uint8Array => new TextEncoder().encode(text);

/** A domain name as on the wire of DNS (RFC 1035 §3.1), not compressed; empty if it cannot be written. */
export function domainBytes(name: string): Uint8Array {
  const labels = name.split('.').map(textBytes);
  if (name.length > 253 || labels.some((l) => l.length < 1 || l.length > 63)) return new Uint8Array();
  return joined(...labels.map((l) => joined([l.length], l)), [0]);
}
