/** Addresses and prefixes as Docker and its users write them. Pure. */
import { type Ip, ipFamily, ipNumber, ipOfNumber, type Prefix, parseIp, parsePrefix } from '../model/address.ts';
import { HeddleError, hasCode } from '../model/errors.ts';

/** A prefix as users type it: host bits do not matter. @throws PREFIX_INVALID */
export function wholePrefix(text: string, v6: boolean): Prefix {
  const [address = '', length = ''] = text.split('/');
  const ip = tryIp(address);
  const bits = Number(length);
  if (ip === undefined || !/^\d{1,3}$/.test(length) || bits > (ipFamily(ip) === 4 ? 32 : 128)) return parsePrefix(text);
  if ((ipFamily(ip) === 6) !== v6)
    throw new HeddleError('PREFIX_INVALID', { prefix: text, problem: `no IPv${v6 ? 6 : 4} prefix` });
  const size = 1n << BigInt((v6 ? 128 : 32) - bits);
  const first = ipNumber(ip) - (ipNumber(ip) % size);
  return parsePrefix(`${ipOfNumber(first, v6 ? 6 : 4)}/${bits}`);
}

/** The first and last address of a prefix. */
export function ends(cidr: string): { first: string; last: string } {
  const { first, last, family } = parsePrefix(cidr);
  return { first: ipOfNumber(first, family), last: ipOfNumber(last, family) };
}

/** The address that is the gateway if nobody says: the first that a host can have. */
export const firstHost = (p: Prefix): Ip => ipOfNumber(p.last - p.first > 1n ? p.first + 1n : p.first, p.family);
export const withLength = (ip: string, cidr: string): string => `${ip}/${parsePrefix(cidr).length}`;
/** Docker insists on a gateway; this one is never handed out. */
export const noGateway = (v6: boolean): string => (v6 ? '::/0' : '0.0.0.0/0');

/** An address without or with a prefix length; undefined if it is none that a workload can have. */
export function tryIp(text: string): Ip | undefined {
  try {
    return parseIp(text.replace(/\/.*$/, ''));
  } catch (e) {
    if (hasCode(e, 'ADDRESS_INVALID')) return undefined; // Docker says what it likes: it is nobody's, so nothing of ours
    throw e;
  }
}
