/** Answers as bytes. Names within our own records are written here; what resolvers answer passes as it came. */
import { type Ip, ipBytes, ipFamily } from '../../model/address.ts';
import { type Query, type Rcode, rcodes, recordTypes } from './query.ts';

/** A record of the question's name. */
export type DnsRecord =
  | { readonly type: 'A' | 'AAAA'; readonly data: Ip }
  | { readonly type: 'PTR'; readonly data: string }
  | { readonly type: 'SOA'; readonly data: string };

/** What is answered: the records, and the zone whose SOA says how long their absence holds. */
export interface Reply {
  readonly rcode: Rcode;
  readonly records?: readonly DnsRecord[];
  /** The name of the zone that the question is in: '' is the root. Absent: we are no authority for it. */
  readonly zone?: string;
}

/** Seconds that a client may keep what it was told, or that there is nothing. */
export const TTL = 5;
/** UDP bytes that every client takes (RFC 1035), and that pass every path unfragmented (DNS flag day 2020). */
const UDP_MIN = 512;
const UDP_MAX = 1232;

const QR = 0x8000;
const AA = 0x0400;
const TC = 0x0200;
const RA = 0x0080;
const HEADER = 12;
const IN = 1;
const OPT = 41;
/** A pointer to the question's name, which begins right after the header. */
const QUESTION_NAME = Uint8Array.of(0xc0, HEADER);

/** UDP bytes of an answer to this query. */
export const udpLimit = (query: Query): number => Math.max(UDP_MIN, Math.min(query.edns?.udpBytes ?? UDP_MIN, UDP_MAX));

/**
 * The answer to a query in at most `limit` bytes. Records that do not fit are left out and TC is set: a client that knows
 * TCP asks again, one that does not has those that fit.
 */
export function writeReply(query: Query, reply: Reply, limit: number): Buffer {
  const rcode = rcodes[reply.rcode];
  const opt = query.edns ? optRecord(rcode >> 4) : Buffer.alloc(0);
  const negative = reply.zone !== undefined && !reply.records?.length ? [soaRecord(reply.zone)] : [];
  const room = limit - HEADER - query.question.length - opt.length;
  const answers = fitting((reply.records ?? []).map(record), room);
  const authorities = fitting(negative, room);
  const cut = answers.length < (reply.records?.length ?? 0);
  const header = Buffer.alloc(HEADER);
  const flags = query.flags | QR | RA | (reply.zone === undefined ? 0 : AA) | (cut ? TC : 0) | (rcode & 15);
  const counts = [query.question.length > 0 ? 1 : 0, answers.length, authorities.length, query.edns ? 1 : 0];
  for (const [i, word] of [query.id, flags, ...counts].entries()) header.writeUInt16BE(word, 2 * i);
  return Buffer.concat([header, query.question, ...answers, ...authorities, opt]);
}

/**
 * A resolver's response made this client's: its id and its question, letter for letter. One that the client cannot take
 * becomes an empty one with TC.
 */
export function adoptResponse(query: Query, response: Buffer, limit: number): Buffer {
  const mine = Buffer.from(response);
  mine.writeUInt16BE(query.id, 0);
  mine.writeUInt16BE(mine.readUInt16BE(2) | RA, 2);
  mine.set(query.question, HEADER);
  if (mine.length <= limit) return mine;
  const short = writeReply(query, { rcode: 'NOERROR' }, limit);
  short.writeUInt16BE(mine.readUInt16BE(2) | TC, 2);
  return short;
}

/** As many of these as there is room for, in their order. */
function fitting(parts: readonly Buffer[], room: number): readonly Buffer[] {
  let left = room;
  return parts.filter((part) => {
    left -= part.length;
    return left >= 0;
  });
}

function record({ type, data }: DnsRecord): Buffer {
  const rdata = type === 'PTR' ? nameBytes(data) : type === 'SOA' ? soa(data) : ipBytes(data);
  return rr(QUESTION_NAME, recordTypes[type], rdata);
}

const soaRecord = (zone: string): Buffer => rr(nameBytes(zone), recordTypes.SOA, soa(zone));

/** SOA of a zone that nobody transfers; its last number is how long its negative answers hold (RFC 2308). */
function soa(zone: string): Buffer {
  const numbers = Buffer.alloc(20);
  for (const [i, n] of [1, 3600, 600, 86_400, TTL].entries()) numbers.writeUInt32BE(n, 4 * i);
  return Buffer.concat([nameBytes(zone), nameBytes('hostmaster.heddle.internal'), numbers]);
}

function rr(owner: Uint8Array, type: number, rdata: Uint8Array): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(IN, 2);
  fixed.writeUInt32BE(TTL, 4);
  fixed.writeUInt16BE(rdata.length, 8);
  return Buffer.concat([owner, fixed, rdata]);
}

/** Our OPT: how much UDP we take, and the upper bits of the response code. */
function optRecord(extendedRcode: number): Buffer {
  const opt = Buffer.alloc(11);
  opt.writeUInt16BE(OPT, 1);
  opt.writeUInt16BE(UDP_MAX, 3);
  opt.writeUInt8(extendedRcode, 5);
  return opt;
}

/** A name on the wire. Every label has 1 to 63 bytes: see `isWritable`. */
function nameBytes(name: string): Buffer {
  const labels = name === '' ? [] : name.split('.');
  return Buffer.concat([...labels.map((l) => Buffer.from([l.length, ...Buffer.from(l, 'latin1')])), Buffer.alloc(1)]);
}

/** True for a name that fits on the wire: an object's name may have dots side by side. */
export const isWritable = (name: string): boolean =>
  name.length <= 253 && name.split('.').every((l) => l.length >= 1 && l.length <= 63);

/** The type of an address's record. */
export const addressType = (ip: Ip): 'A' | 'AAAA' => (ipFamily(ip) === 4 ? 'A' : 'AAAA');
