/** DHCPv6 messages (RFC 8415): bytes to values and back. Pure. */
import { type Ip, ipBytes, ipText } from '../../model/address.ts';
import { be16, be32, joined } from './options.ts';

/** Option codes. */
export const option6 = {
  client: 1,
  server: 2,
  addresses: 3,
  temporary: 4,
  address: 5,
  wanted: 6,
  status: 13,
  rapidCommit: 14,
  dns: 23,
  search: 24,
  prefixes: 25,
  bootFile: 59,
} as const;

const messages = [
  undefined,
  'solicit',
  'advertise',
  'request',
  'confirm',
  'renew',
  'rebind',
  'reply',
  'release',
  'decline',
  'reconfigure',
  'information-request',
  'relay-forward',
  'relay-reply',
] as const;
/** What a message is. */
export type Type6 = NonNullable<(typeof messages)[number]>;

/** Status codes (RFC 8415 §21.13). */
export const status6 = { success: 0, noAddresses: 2, noBinding: 3, notOnLink: 4, noPrefix: 6 } as const;

/** What a client asks about under a number of its own. */
export interface Association {
  /** Addresses for good, temporary ones, or prefixes. */
  readonly kind: 'addresses' | 'temporary' | 'prefixes';
  readonly iaid: number;
  /** Those that the client names. */
  readonly addresses: readonly Ip[];
}
/** What a client sends. */
export interface Request6 {
  readonly type: Type6;
  /** Three bytes. */
  readonly transaction: number;
  readonly client?: Uint8Array;
  readonly server?: Uint8Array;
  readonly rapidCommit: boolean;
  /** Options that it wants. */
  readonly wanted: ReadonlySet<number>;
  readonly associations: readonly Association[];
}

const ADDRESS = 24;
/** A DUID's bounds, bytes (RFC 8415 §11.1). */
const duid = { min: 3, max: 130 };

/** A client's message; undefined if it is none. A relay's is one without anything in it. */
export function parseRequest6(bytes: Uint8Array): Request6 | undefined {
  const type = messages[bytes[0] ?? 0];
  if (!type || bytes.length < 4) return undefined;
  if (type.startsWith('relay'))
    return { type, transaction: 0, rapidCommit: false, wanted: new Set(), associations: [] };
  const options = readOptions(bytes.subarray(4));
  if (!options) return undefined;
  const one = (code: number) => options.find(([c]) => c === code)?.[1];
  const client = one(option6.client);
  const server = one(option6.server);
  if ([client, server].some((id) => id && (id.length < duid.min || id.length > duid.max))) return undefined;
  const associations = options.flatMap(([code, value]) => associationOf(code, value));
  if (associations.includes(undefined)) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return {
    type,
    transaction: view.getUint32(0) & 0xff_ffff,
    ...(client && { client }),
    ...(server && { server }),
    rapidCommit: one(option6.rapidCommit) !== undefined,
    wanted: numbers(one(option6.wanted) ?? new Uint8Array()),
    associations: associations as Association[],
  };
}

type Option = readonly [code: number, value: Uint8Array];

function readOptions(bytes: Uint8Array): Option[] | undefined {
  const options: Option[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) return undefined;
    const end = at + 4 + view.getUint16(at + 2);
    if (end > bytes.length) return undefined;
    options.push([view.getUint16(at), bytes.subarray(at + 4, end)]);
    at = end;
  }
  return options;
}

const kinds = new Map<number, Association['kind']>([
  [option6.addresses, 'addresses'],
  [option6.temporary, 'temporary'],
  [option6.prefixes, 'prefixes'],
]);

/** None of another option; one that is undefined of a malformed association. */
function associationOf(code: number, value: Uint8Array): [] | [Association | undefined] {
  const kind = kinds.get(code);
  if (!kind) return [];
  // Temporary addresses have no times.
  const head = kind === 'temporary' ? 4 : 12;
  const inner = value.length < head ? undefined : readOptions(value.subarray(head));
  if (!inner) return [undefined];
  const addresses = inner.filter(([c]) => c === option6.address).map(([, a]) => a);
  if (addresses.some((a) => a.length < ADDRESS)) return [undefined];
  const iaid = new DataView(value.buffer, value.byteOffset, value.length).getUint32(0);
  return [{ kind, iaid, addresses: addresses.map((a) => ipText(a.subarray(0, 16))) }];
}

/** Two-byte numbers, one after the other. */
const numbers = (bytes: Uint8Array): Set<number> =>
  new Set(Array.from({ length: bytes.length >> 1 }, (_, i) => bytes[2 * i]! * 256 + bytes[2 * i + 1]!));

/** What an association is told. */
export interface Given {
  readonly to: Association;
  readonly addresses: readonly { readonly ip: Ip; readonly seconds: number }[];
  readonly status?: number;
}
/** What is answered. */
export interface Reply6 {
  readonly type: 'advertise' | 'reply';
  readonly to: Request6;
  readonly server: Uint8Array;
  readonly rapidCommit: boolean;
  readonly given: readonly Given[];
  readonly status?: number;
  readonly options: readonly (readonly [code: number, value: Uint8Array])[];
}

/** The message in bytes. */
export function encodeReply6(reply: Reply6): Uint8Array {
  const { to, server, given, status, options } = reply;
  return joined(
    be32(messages.indexOf(reply.type) * 0x100_0000 + to.transaction),
    to.client ? option(option6.client, to.client) : [],
    option(option6.server, server),
    reply.rapidCommit ? option(option6.rapidCommit, []) : [],
    ...given.map(givenBytes),
    status === undefined ? [] : option(option6.status, be16(status)),
    ...options.filter(([, value]) => value.length > 0).map(([code, value]) => option(code, value)),
  );
}

const option = (code: number, value: ArrayLike<number>): Uint8Array => joined(be16(code), be16(value.length), value);

/** Renewing begins at half the time, asking anybody at four fifths. */
function givenBytes({ to, addresses, status }: Given): Uint8Array {
  const shortest = Math.min(...addresses.map((a) => a.seconds).filter((s) => s > 0));
  const [renew, rebind] = Number.isFinite(shortest) ? [shortest * 0.5, shortest * 0.8] : [0, 0];
  const times = to.kind === 'temporary' ? [] : joined(be32(Math.floor(renew)), be32(Math.floor(rebind)));
  const code = { addresses: option6.addresses, temporary: option6.temporary, prefixes: option6.prefixes }[to.kind];
  return option(
    code,
    joined(
      be32(to.iaid),
      times,
      ...addresses.map(({ ip, seconds }) => option(option6.address, joined(ipBytes(ip), be32(seconds), be32(seconds)))),
      status === undefined ? [] : option(option6.status, be16(status)),
    ),
  );
}
