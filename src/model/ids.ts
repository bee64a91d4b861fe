import { randomUUIDv7 } from 'node:crypto';
import { HeddleError } from './errors.ts';

declare const tag: unique symbol;
/** A value type: a plain string or number at run time that the compiler does not mix up with another. */
export type Brand<T, B extends string> = T & { readonly [tag]: B };

export type TenantId = Brand<string, 'TenantId'>;
export type NetworkId = Brand<string, 'NetworkId'>;
export type SubnetId = Brand<string, 'SubnetId'>;
export type RouterId = Brand<string, 'RouterId'>;
export type PortId = Brand<string, 'PortId'>;
export type AddressId = Brand<string, 'AddressId'>;
export type LeaseId = Brand<string, 'LeaseId'>;
export type GrantId = Brand<string, 'GrantId'>;
export type HostId = Brand<string, 'HostId'>;
/** VXLAN network identifier, 1 to 2^24 − 1 (RFC 7348 §5). */
export type Vni = Brand<number, 'Vni'>;
/** A host's small number, 1 to HOSTS_MAX: index of its VTEP row in every datapath, stable for the host's life. */
export type HostNumber = Brand<number, 'HostNumber'>;

/**
 * A physical segment's small number, from PLACE_FIRST on, stable for its life: says where its machines are, in place of the
 * number of a host, which may change.
 */
export type PlaceNumber = Brand<number, 'PlaceNumber'>;

/** Most hosts of one installation; the size of the datapath's VTEP array, less row 0. */
export const HOSTS_MAX = 16_383;
/** Most physical segments of one installation. */
export const PLACES_MAX = 16_384;
/** Beyond all hosts' numbers. */
export const PLACE_FIRST = 0x8000;
export const isPlace = (number: HostNumber | PlaceNumber): number is PlaceNumber => number >= PLACE_FIRST;
export const VNI_MAX = 0xff_ff_ff;

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
/** True for a UUID in lower-case text form (RFC 9562). */
export const isUuid = (s: string): boolean => uuid.test(s);

let newest = '';
/** A new id, UUIDv7. Those that a process makes later sort later, within a millisecond too (RFC 9562 §6.2). */
export function newId<I extends Brand<string, string>>(): I {
  const id = randomUUIDv7();
  newest = id > newest ? id : successor(newest);
  return newest as I;
}
/** Counts on in the random part: its last 48 bits are never used up within a millisecond. */
const successor = (id: string): string =>
  id.slice(0, 24) + (Number.parseInt(id.slice(24), 16) + 1).toString(16).padStart(12, '0');

/** @throws VNI_OUT_OF_RANGE */
export function parseVni(n: number): Vni {
  if (!Number.isInteger(n) || n < 1 || n > VNI_MAX) throw new HeddleError('VNI_OUT_OF_RANGE', { vni: n });
  return n as Vni;
}

/** The pattern of every name; a name that looks like a UUID is refused too, because ids and names share a place in paths. */
export const namePattern = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$';
const nameRegExp = new RegExp(namePattern);

/** @throws NAME_INVALID */
export function parseName(name: string): string {
  if (!nameRegExp.test(name) || isUuid(name)) throw new HeddleError('NAME_INVALID', { name: name.slice(0, 80) });
  return name;
}
