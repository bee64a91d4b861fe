/** The reference of `service.h`: which of a port's packets ask the host's services, and which only a server would send. */
import { hex, read16 } from './frames.ts';

/** What a packet is to the services; undefined: nothing. */
export type Service = 'asks' | 'serves' | undefined;

const text = (b: Uint8Array, at: number, n: number): string => hex(b.subarray(at, at + n));
const GATEWAY = '026867000001';
const group = (b: Uint8Array, end: string): boolean =>
  text(b, 0, 6) === `3333${end}` && text(b, 38, 16) === `ff02${'0'.repeat(20)}${end}`;
/** Any link-local address will do, or one of the port's. */
const maySendAs = (address: string, owns: (address: string) => boolean): boolean =>
  address.startsWith('fe80000000000000') || owns(address);

/** Of a sound IPv4 packet. */
export function service4(b: Uint8Array, hasIp4: boolean, owns: (address: string) => boolean): Service {
  const l4 = 14 + (b[14]! & 15) * 4;
  if (b[23] !== 17 || (read16(b, 20) & 0x1fff) !== 0 || l4 + 4 > b.length) return undefined;
  const [from, to] = [read16(b, l4), read16(b, l4 + 2)];
  if (from === 67 || to === 68) return 'serves';
  if (from !== 68 || to !== 67 || b[14] !== 0x45 || (read16(b, 20) & 0x3fff) !== 0 || !hasIp4) return undefined;
  const everybody = text(b, 0, 6) === 'ffffffffffff' && text(b, 30, 4) === 'ffffffff';
  const source = text(b, 26, 4);
  if (everybody && source === '00000000') return 'asks';
  return (everybody || text(b, 0, 6) === GATEWAY) && owns(source) ? 'asks' : undefined;
}

/** Of a UDP header that an IPv6 packet has at `l4`. */
export function service6(b: Uint8Array, l4: number, extended: boolean, owns: (address: string) => boolean): Service {
  if (l4 + 4 > b.length) return undefined;
  const [from, to] = [read16(b, l4), read16(b, l4 + 2)];
  if (from === 547 || to === 546) return 'serves';
  if (from !== 546 || to !== 547 || extended) return undefined;
  const toServer = text(b, 0, 6) === GATEWAY || group(b, '00010002');
  return toServer && maySendAs(text(b, 22, 16), owns) ? 'asks' : undefined;
}

/** Of a router solicitation: why it is refused, or that it asks. */
export function solicits(b: Uint8Array, owns: (address: string) => boolean) {
  if (text(b, 0, 6) !== GATEWAY && !group(b, '00000002')) return 'nd_forbidden';
  if (b[21] !== 255) return 'nd_malformed';
  const source = text(b, 22, 16);
  return source === '0'.repeat(32) || maySendAs(source, owns) ? 'asks' : 'nd_spoof';
}
