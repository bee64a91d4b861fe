/** The addresses between a host and its gateways: a /31 and a /127 for each, from ranges that no port and no subnet may have. */
import { type Ip, ipNumber, ipOfNumber } from '../model/address.ts';

/** All of the hosts' and gateways' ends; never on a wire: a host gives its own address to what leaves it. */
export const linkRange4 = '169.254.128.0/17';
export const linkRange6 = 'fd68:6564:646c::/64';
const first4 = ipNumber('169.254.128.0' as Ip);
const first6 = ipNumber('fd68:6564:646c::' as Ip);
/** As many gateways a host can have with a way outside. */
export const linksMax = 16_384;

/** Both ends of one gateway's link to its host. */
export interface LinkAddresses {
  readonly host4: Ip;
  readonly gateway4: Ip;
  readonly host6: Ip;
  readonly gateway6: Ip;
}

/** The addresses of link `index`, 0 to {@link linksMax} − 1. */
export function linkAddresses(index: number): LinkAddresses {
  const n = 2n * BigInt(index);
  return {
    host4: ipOfNumber(first4 + n, 4),
    gateway4: ipOfNumber(first4 + n + 1n, 4),
    host6: ipOfNumber(first6 + n, 6),
    gateway6: ipOfNumber(first6 + n + 1n, 6),
  };
}

/** Links of 169.254.169.0/24 are left out: clouds serve their own virtual machines there, and our hosts may be some of them. */
export const isKept = (index: number): boolean => linkAddresses(index).host4.startsWith('169.254.169.');

/** The index of the link whose host's end has this IPv4 address; undefined for any other address. */
export function linkIndexOf(ip: Ip): number | undefined {
  if (!ip.startsWith('169.254.')) return undefined;
  const n = ipNumber(ip) - first4;
  return n >= 0n && n < 2n * BigInt(linksMax) && n % 2n === 0n ? Number(n / 2n) : undefined;
}
