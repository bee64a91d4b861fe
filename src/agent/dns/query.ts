/** A client's query, read from the wire. */
import { decode, type OptAnswer } from 'dns-packet';

/** Response codes (RFC 1035 §4.1.1, RFC 6891 §9). */
export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const;
export type Rcode = keyof typeof rcodes;

/** Numbers of the record types that decide something here (IANA, "DNS parameters"). */
export const recordTypes = {
  A: 1,
  NS: 2,
  SOA: 6,
  PTR: 12,
  AAAA: 28,
  DS: 43,
  DNSKEY: 48,
  IXFR: 251,
  AXFR: 252,
} as const;

/** What a query asks, with all that an answer must repeat. */
export interface Query {
  readonly id: number;
  /** Opcode, RD and CD as they came, in their places of the header's flags. */
  readonly flags: number;
  /** The question section as it came: name, type, class. */
  readonly question: Uint8Array;
  /** The name's labels joined with dots, in lower case, without a dot at the end; a dot within a label is a NUL here. */
  readonly name: string;
  readonly type: number;
  readonly class: number;
  /** The client's EDNS: how much UDP it takes, bytes, and whether it wants DNSSEC records. */
  readonly edns?: { readonly udpBytes: number; readonly dnssecOk: boolean; readonly version: number };
}

/** Bits of the header's second word. */
const QR = 0x8000;
const OPCODE = 0x7800;
const RD = 0x0100;
const CD = 0x0010;
/** Opcode, RD and CD: what an answer has as the query had it. */
const KEPT = OPCODE | RD | CD;
const HEADER = 12;
/** OPT, and a signature that is not looked at. Many records whose names are chains of pointers would cost a decoder milliseconds. */
const ADDITIONALS_MAX = 2;

/**
 * Reads one message. What is no query at all (a response, no header) gets no answer, so that nobody can make this server
 * send to a third party; what is a query but malformed gets FORMERR.
 */
export function parseQuery(bytes: Buffer): Query | { readonly malformed: Query } | undefined {
  if (bytes.length < HEADER) return undefined;
  const flags = bytes.readUInt16BE(2);
  if (flags & QR) return undefined;
  const bare = {
    id: bytes.readUInt16BE(0),
    flags: flags & KEPT,
    question: new Uint8Array(0),
    name: '',
    type: 0,
    class: 0,
  };
  const malformed = { malformed: bare };
  const [questions, answers, authorities, additionals = 0] = [4, 6, 8, 10].map((at) => bytes.readUInt16BE(at));
  if (questions !== 1 || answers !== 0 || authorities !== 0 || additionals > ADDITIONALS_MAX) return malformed;
  const name = readName(bytes);
  if (!name || name.end + 4 > bytes.length) return malformed;
  try {
    const opt = decode(bytes).additionals?.filter((r): r is OptAnswer => r.type === 'OPT') ?? [];
    if (opt.length > 1) return malformed;
    return {
      ...bare,
      question: bytes.subarray(HEADER, name.end + 4),
      name: name.text,
      type: bytes.readUInt16BE(name.end),
      class: bytes.readUInt16BE(name.end + 2),
      ...(opt[0] && {
        edns: { udpBytes: opt[0].udpPayloadSize, dnssecOk: opt[0].flag_do, version: opt[0].ednsVersion },
      }),
    };
  } catch {
    // Whatever a decoder stumbles over, the client is told that it is malformed.
    return malformed;
  }
}

/** The opcode: 0 is a query. */
export const opcodeOf = (query: Query): number => (query.flags & OPCODE) >> 11;

/** The question's name, which is never compressed: there is nothing before it to point to. */
function readName(bytes: Buffer): { text: string; end: number } | undefined {
  const labels: string[] = [];
  for (let at = HEADER; ; ) {
    const length = bytes[at];
    if (length === undefined || length > 63 || at - HEADER > 254) return undefined;
    at += 1;
    if (length === 0) return { text: labels.join('.').toLowerCase(), end: at };
    labels.push(bytes.toString('latin1', at, at + length).replaceAll('.', '\0'));
    at += length;
  }
}
