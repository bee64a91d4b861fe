/** Reverse names: 7.0.0.10.in-addr.arpa, and nibbles below ip6.arpa (RFC 1035 §3.5, RFC 3596 §2.5). */
import { type Ip, ipBytes, ipFamily, ipText, type Prefix } from '../../model/address.ts';

/** The name under which an address's PTR record is. */
export function reverseNameOf(ip: Ip): string {
  const bytes = [...ipBytes(ip)].reverse();
  if (ipFamily(ip) === 4) return `${bytes.join('.')}.in-addr.arpa`;
  const nibbles = bytes.flatMap((b) => [(b & 15).toString(16), (b >> 4).toString(16)]);
  return `${nibbles.join('.')}.ip6.arpa`;
}

/** A reverse name's first address and how many bits it fixes. */
export interface ReverseName {
  readonly address: Ip;
  readonly bits: number;
}

/** The address of a name like 1.0.0.10.in-addr.arpa, or the first one of a shorter name; undefined if it is no such name. */
export function addressOfReverse(name: string): ReverseName | undefined {
  const four = /^((?:\d{1,3}\.){1,4})in-addr\.arpa$/.exec(name);
  if (four) {
    const bytes = four[1]!.split('.').slice(0, -1).reverse().map(Number);
    return bytes.some((b) => b > 255) ? undefined : reverseName(bytes, 4);
  }
  const six = /^((?:[0-9a-f]\.){1,32})ip6\.arpa$/.exec(name);
  if (!six) return undefined;
  const digits = six[1]!.replaceAll('.', '');
  const text = [...digits].reverse().join('').padEnd(32, '0');
  return { address: ipText(Buffer.from(text, 'hex')), bits: 4 * digits.length };
}

const reverseName = (bytes: readonly number[], size: number): ReverseName => ({
  address: ipText(Array.from({ length: size }, (_, i) => bytes[i] ?? 0)),
  bits: 8 * bytes.length,
});

/** The reverse zone of a prefix as far as this name goes: whole octets or nibbles, never the address itself. */
export function reverseZone(name: string, { family, length }: Prefix): string {
  const labels = name.split('.');
  const most = family === 4 ? 3 : 31;
  const kept = Math.min(most, Math.ceil(length / (family === 4 ? 8 : 4)), labels.length - 2);
  return labels.slice(-2 - kept).join('.');
}
