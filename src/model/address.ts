import ipaddr from 'ipaddr.js';
import { HeddleError } from './errors.ts';
import type { Brand } from './ids.ts';

/** A MAC address as six lower-case hex pairs with colons. */
export type Mac = Brand<string, 'Mac'>;
/** An IPv4 or IPv6 address in canonical text (RFC 5952 for IPv6). */
export type Ip = Brand<string, 'Ip'>;
/** A prefix in canonical text, host bits zero: "10.0.0.0/24". */
type Cidr = Brand<string, 'Cidr'>;

const macPattern = /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/;

/** @throws MAC_INVALID if it is malformed, multicast or zero */
export function parseMac(text: string): Mac {
  const mac = text.toLowerCase().replaceAll('-', ':');
  if (!macPattern.test(mac) || Number.parseInt(mac.slice(0, 2), 16) & 1 || mac === '00:00:00:00:00:00')
    throw new HeddleError('MAC_INVALID', { mac: text.slice(0, 40) });
  return mac as Mac;
}

/** The six bytes of a MAC. */
export const macBytes = (mac: Mac): Uint8Array => Uint8Array.from(mac.split(':'), (h) => Number.parseInt(h, 16));
/** The text of six bytes. */
export const macText = (bytes: ArrayLike<number>): Mac =>
  Array.from({ length: 6 }, (_, i) => (bytes[i] ?? 0).toString(16).padStart(2, '0')).join(':') as Mac;

/** The MAC of every gateway on every host and network; no port has it. */
export const gatewayMac = '02:68:67:00:00:01' as Mac;
/** The group that hosts which serve a physical segment say hello to, on it. */
export const helloGroup = '03:68:67:00:00:02' as Mac;
/** The MAC of a host, by its number, as it says hello: a switch finds each host at one place. */
export const helloMac = (host: number): Mac => macText([0x02, 0x68, 0x67, 0x01, host >> 8, host & 0xff]);

/** Strict: dotted quads of four decimal parts, or IPv6 without zone; IPv4-mapped IPv6 is refused. */
function strict(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  if (text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  const v6 = ipaddr.IPv6.parse(text);
  return v6.isIPv4MappedAddress() ? undefined : v6;
}

/**
 * A unicast address that a port or VTEP can have.
 * @throws ADDRESS_INVALID for malformed ones and those of a special purpose: link-local, loopback, multicast …
 */
export function parseIp(text: string): Ip {
  const ip = strict(text);
  if (!ip || special.some((p) => overlap(p, interval(ip, widthOf(ip)))))
    throw new HeddleError('ADDRESS_INVALID', { address: text.slice(0, 60) });
  return canonical(ip);
}

/**
 * An address that a host itself may have: loopback and link-local ones too.
 * @throws ADDRESS_INVALID
 */
export function parseHostAddress(text: string): Ip {
  const ip = strict(text);
  const range = ip?.range() ?? 'unspecified';
  if (!ip || ['unspecified', 'multicast', 'broadcast'].includes(range))
    throw new HeddleError('ADDRESS_INVALID', { address: text.slice(0, 60) });
  return canonical(ip);
}

const canonical = (ip: ipaddr.IPv4 | ipaddr.IPv6): Ip =>
  (ip.kind() === 'ipv6' ? (ip as ipaddr.IPv6).toRFC5952String() : ip.toString()) as Ip;

/** 4 or 6. */
export const ipFamily = (ip: string): 4 | 6 => (ip.includes(':') ? 6 : 4);
/** The address's 4 or 16 bytes, network order. */
export function ipBytes(ip: Ip): Uint8Array {
  if (ipFamily(ip) === 4) return Uint8Array.from(ip.split('.'), Number);
  // With an IPv4 address in it, as the kernel writes some.
  if (ip.includes('.')) return Uint8Array.from(ipaddr.parse(ip).toByteArray());
  // An agent that starts does this for every address that it knows, and the text is canonical: a parser that expects
  // anything takes ten times as long.
  const bytes = new Uint8Array(16);
  const [head = '', tail] = ip.split('::');
  const put = (groups: string, at: number): void => {
    for (const [i, group] of groups.split(':').entries()) {
      const n = Number.parseInt(group, 16);
      bytes[at + 2 * i] = n >> 8;
      bytes[at + 2 * i + 1] = n & 0xff;
    }
  };
  if (head) put(head, 0);
  if (tail) put(tail, 16 - 2 * tail.split(':').length);
  return bytes;
}
/** The text of 4 or 16 bytes in network order. */
export function ipText(bytes: ArrayLike<number>): Ip {
  return canonical(ipaddr.fromByteArray(Array.from(bytes)));
}
/** The address as a number, for arithmetic within a prefix. */
export const ipNumber = (ip: Ip): bigint => ipBytes(ip).reduce((n, b) => (n << 8n) | BigInt(b), 0n);
/** The address of a number; `family` says how wide it is. */
export function ipOfNumber(n: bigint, family: 4 | 6): Ip {
  const size = family === 4 ? 4 : 16;
  return ipText(Array.from({ length: size }, (_, i) => Number((n >> BigInt(8 * (size - 1 - i))) & 255n)));
}

/** The addresses of one family from first to last, as numbers. */
export interface Interval {
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
}
/** A prefix with its first and last address as numbers. */
export interface Prefix extends Interval {
  readonly cidr: Cidr;
  readonly length: number;
}

const widthOf = (ip: ipaddr.IPv4 | ipaddr.IPv6): 32 | 128 => (ip.kind() === 'ipv4' ? 32 : 128);

/** The prefix of a length that an address lies in. */
function interval(ip: ipaddr.IPv4 | ipaddr.IPv6, length: number): Interval {
  const width = widthOf(ip);
  const n = BigInt(`0x${Buffer.from(ip.toByteArray()).toString('hex')}`);
  const size = 1n << BigInt(width - length);
  const first = n - (n % size);
  return { family: width === 32 ? 4 : 6, first, last: first + size - 1n };
}

/** What no port and no VTEP can have (RFC 6890, RFC 5771, RFC 1112 §4, RFC 4291). */
const special = [
  ['0.0.0.0/8', 'addresses of "this network"'],
  ['127.0.0.0/8', 'loopback addresses'],
  ['169.254.0.0/16', 'link-local addresses'],
  ['224.0.0.0/4', 'multicast addresses'],
  ['240.0.0.0/4', 'reserved addresses'],
  ['224.0.0.0/3', 'multicast and reserved addresses'],
  ['::/128', 'the unspecified address'],
  ['::1/128', 'the loopback address'],
  ['::ffff:0:0/96', 'IPv4-mapped addresses'],
  ['fe80::/10', 'link-local addresses'],
  ['ff00::/8', 'multicast addresses'],
].map(([cidr = '', what = '']) => ({ cidr, what, ...interval(...ipaddr.parseCIDR(cidr)) }));

/**
 * A subnet's prefix: unicast, host bits zero, room for two hosts or more.
 * @throws PREFIX_INVALID with what is wrong
 */
export function parsePrefix(text: string): Prefix {
  const bad = (problem: string) => new HeddleError('PREFIX_INVALID', { prefix: text.slice(0, 60), problem });
  const [address = '', bits = '', ...rest] = text.split('/');
  const ip = strict(address);
  if (!ip || rest.length > 0 || !/^\d{1,3}$/.test(bits)) throw bad('not of the form 10.0.0.0/24 or fd00::/64');
  const width = widthOf(ip);
  const length = Number(bits);
  if (length > width - 1 || length < 8) throw bad(`its length must be 8 to ${width - 1}`);
  const addresses = interval(ip, length);
  const start = ipOfNumber(addresses.first, addresses.family);
  if (start !== canonical(ip)) throw bad(`it has host bits; did you mean ${start}/${length}?`);
  const not = special.find((p) => overlap(p, addresses));
  if (not) throw bad(`${not.what} (${not.cidr}) cannot be given to ports`);
  return { cidr: `${start}/${length}` as Cidr, length, ...addresses };
}

/**
 * A prefix of any unicast sources, "0.0.0.0/0" and single addresses included, host bits zero.
 * @throws PREFIX_INVALID with what is wrong
 */
export function parseSourcePrefix(text: string): string {
  const bad = (problem: string) => new HeddleError('PREFIX_INVALID', { prefix: text.slice(0, 60), problem });
  const [address = '', bits, ...rest] = text.split('/');
  const ip = strict(address);
  if (!ip || rest.length > 0 || !/^\d{1,3}$/.test(bits ?? '0')) throw bad('not of the form 10.0.0.0/24 or fd00::/64');
  const width = widthOf(ip);
  const length = bits === undefined ? width : Number(bits);
  if (length > width) throw bad(`its length must be 0 to ${width}`);
  const { first, family } = interval(ip, length);
  const start = ipOfNumber(first, family);
  if (start !== canonical(ip)) throw bad(`it has host bits; did you mean ${start}/${length}?`);
  return `${start}/${length}`;
}

/**
 * Where a route may lead: a prefix as `parseSourcePrefix` reads it that is not wholly of addresses that no port can have.
 * @throws PREFIX_INVALID with what is wrong
 */
export function parseDestination(text: string): Prefix {
  const cidr = parseSourcePrefix(text) as Cidr;
  const [ip, length] = ipaddr.parseCIDR(cidr);
  const addresses = interval(ip, length);
  const not = special.find((p) => contains(p, addresses));
  if (not) throw new HeddleError('PREFIX_INVALID', { prefix: cidr, problem: `${not.what} are not routed` });
  return { cidr, length, ...addresses };
}

/** An address alone, to be looked for in many prefixes: reading it costs more than comparing. */
export function single(ip: Ip): Interval {
  const n = ipNumber(ip);
  return { family: ipFamily(ip), first: n, last: n };
}

/** True if the address lies in the prefix. */
export const prefixHas = (p: Prefix, ip: Ip): boolean => contains(p, single(ip));

/** True if the two share an address. */
export const overlap = (a: Interval, b: Interval): boolean =>
  a.family === b.family && a.first <= b.last && b.first <= a.last;

/** True if all of the second lies in the first. */
export const contains = (a: Interval, b: Interval): boolean =>
  a.family === b.family && a.first <= b.first && b.last <= a.last;

/** The last eight bytes of an address that a station makes of its MAC (RFC 4291 App. A, modified EUI-64). */
function interfaceId(mac: Mac): number[] {
  const m = macBytes(mac);
  return [m[0]! ^ 2, m[1]!, m[2]!, 0xff, 0xfe, m[3]!, m[4]!, m[5]!];
}

/** The link-local address made from a MAC. */
export const linkLocal = (mac: Mac): Ip => ipText([0xfe, 0x80, 0, 0, 0, 0, 0, 0, ...interfaceId(mac)]);

/** The address that a station makes from its MAC in a /64 (RFC 4862 §5.5.3, RFC 2464 §4). */
export const slaacAddress = ({ first }: Pick<Prefix, 'first'>, mac: Mac): Ip =>
  ipText([...ipBytes(ipOfNumber(first, 6)).subarray(0, 8), ...interfaceId(mac)]);

/** The MAC from which a station has made an address; undefined if it is not made so, or no port could have that MAC. */
export function macOfSlaac(ip: Ip): Mac | undefined {
  const [first = 0, second = 0, third = 0, ff, fe, ...rest] = ipBytes(ip).subarray(8);
  if (ipFamily(ip) !== 6 || ff !== 0xff || fe !== 0xfe) return undefined;
  const mac = macText([first ^ 2, second, third, ...rest]);
  return macBytes(mac)[0]! & 1 || mac === '00:00:00:00:00:00' ? undefined : mac;
}
