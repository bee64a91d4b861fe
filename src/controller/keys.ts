/**
 * Every key that the controller writes. Objects carry their tenant in the key; claims are keys whose existence is the fact
 * ("this address is taken"), so that one conditional write decides between two who want the same.
 */
import { type Kind, kinds } from '../model/kinds.ts';
import type { AnyRecord } from './records.ts';
import { scopeOf } from './records.ts';

/** "/port/<tenant>/<id>", "/host/-/<id>". */
export const objectKey = (kind: Kind, record: AnyRecord): string => `/${kind}/${scopeOf(record)}/${record.id}`;
/** All objects of a kind, or those of one tenant. */
export const objectPrefix = (kind: Kind, tenant?: string): string => `/${kind}/${tenant ? `${tenant}/` : ''}`;
/** What an object's key says; the scope is its tenant's id, or '-'. */
export interface ObjectKey {
  readonly kind: Kind;
  readonly scope: string;
  readonly id: string;
}
/** Undefined for other keys. */
export function parseObjectKey(key: string): ObjectKey | undefined {
  const [, kind = '', scope = '', id = ''] = key.split('/');
  return Object.hasOwn(kinds, kind) ? { kind: kind as Kind, scope, id } : undefined;
}

/** "/applied/port/<tenant>/<id>": what is kept beside an object that was applied; goes with it. */
export const appliedKey = (kind: Kind, record: AnyRecord): string => `${appliedPrefix}${objectKey(kind, record)}`;
export const appliedPrefix = '/applied';

export const nameKey = (kind: Kind, scope: string, name: string): string => `/name/${kind}/${scope}/${name}`;
/** Where the walk through the VNI pool stands. */
export const vniCursorKey = '/cursor/vni';
/** The limits of a tenant, if it has any. */
export const quotaKey = (tenant: string): string => `${quotaPrefix}${tenant}`;
export const quotaPrefix = '/quota/';
/** Written by whatever makes a tenant's use of a unit grow that has a limit: whoever decided before decides anew. */
export const growthKey = (tenant: string, unit: string): string => `${growthPrefix}${tenant}/${unit}`;
export const growthPrefix = '/cursor/growth/';
/** The installation's authority. */
export const authorityKey = '/trust/ca';
/** What is kept of a host's certificates; goes with the host. */
export const hostTrustKey = (host: string): string => `${hostTrustPrefix}${host}`;
export const hostTrustPrefix = '/trust/host/';
export const joinTokenKey = (id: string): string => `${joinTokenPrefix}${id}`;
export const joinTokenPrefix = '/trust/join/';
/** What is kept of an API token. */
export const tokenKey = (id: string): string => `${tokenPrefix}${id}`;
export const tokenPrefix = '/trust/token/';
/** The subnets of a network in one value: two overlapping prefixes cannot both be written. */
export const prefixesKey = (network: string): string => `/claim/prefixes/${network}`;

export const claims = {
  vni: (vni: number) => `/claim/vni/${vni}`,
  hostNumber: (n: number) => `/claim/host-number/${n}`,
  place: (n: number) => `/claim/place/${n}`,
  vtep: (ip: string) => `/claim/vtep/${ip}`,
  /** Port ids are unique across tenants: the datapath knows ports by id alone. */
  portId: (id: string) => `/claim/port/${id}`,
  /** Every port has one, and every held address; without subnets nothing is held, so the prefix without a MAC is empty then exactly when the network has no port. */
  mac: (network: string, mac: string) => `/claim/mac/${network}/${mac}`,
  /** By subnet, not network: prefixes of a network do not overlap, and a subnet in use is seen by its prefix. */
  ip: (subnet: string, ip: string) => `/claim/ip/${subnet}/${ip}`,
  /** At most one lease for a host in a network. */
  lease: (network: string, host: string) => `/claim/lease/${network}/${host}`,
  /** One for each subnet that a router joins; a network's are all of one router. */
  routed: (network: string, subnet: string) => `/claim/routed/${network}/${subnet}`,
  /** One for each port behind another: its tag (0: none) and MAC tell it apart there. */
  behind: (parent: string, vlan: number, mac: string) => `/claim/behind/${parent}/${vlan}/${mac}`,
  /** What all of those begin with. */
  behindOf: (parent: string) => `/claim/behind/${parent}/`,
  /** One for each port that is bound to a host or stands by there, and each lease of it. */
  bound: (host: string, object: string) => `/claim/bound/${host}/${object}`,
} as const;

/** Whether a key is written for the sake of others, and says nothing more. */
export const isBookkeeping = (key: string): boolean => /^\/(name|claim|cursor|applied)\//.test(key);
