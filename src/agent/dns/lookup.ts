/** What the DNS of a network would answer, for `GET /v1/dns`: the same names and the same resolvers, without the wire. */
import { decode, encode, type RecordType } from 'dns-packet';
import type { DnsLookup, DnsLookupQuery } from '../../model/dns-lookup.ts';
import { HeddleError } from '../../model/errors.ts';
import type { Forwarder } from './forward.ts';
import type { Names } from './names.ts';
import { parseQuery, type Rcode, rcodes } from './query.ts';
import { writeReply } from './response.ts';

const RD = 0x0100;
const LIMIT = 65_535;

/** @throws INVALID if the name is none */
export async function lookUp(names: Names, forwarder: Forwarder, { name, type }: DnsLookupQuery): Promise<DnsLookup> {
  const query = parseQuery(questionBytes(name, type));
  if (!query || 'malformed' in query) throw invalidName();
  const reply = names.answer(query.name, query.type);
  const forwarded = reply ? undefined : await forwarder.forward(query, 'tcp');
  const response = forwarded?.response ?? writeReply(query, reply!, LIMIT);
  const { answers = [] } = decode(response);
  const rcode = response.readUInt16BE(2) & 15;
  return {
    name,
    type,
    rcode: (Object.keys(rcodes) as Rcode[]).find((key) => rcodes[key] === rcode) ?? String(rcode),
    from: reply ? 'network' : 'resolver',
    ...(forwarded?.server && { resolver: forwarded.server.address }),
    answers: answers.flatMap((a) =>
      a.type === 'OPT' ? [] : [{ name: a.name, type: a.type, ttl: a.ttl ?? 0, data: dataText(a.data) }],
    ),
  };
}

function questionBytes(name: string, type: DnsLookupQuery['type']): Buffer {
  const labels = name.replace(/\.$/, '').split('.');
  if (name !== '.' && (name.length > 254 || labels.some((l) => l.length < 1 || Buffer.byteLength(l) > 63)))
    throw invalidName();
  return encode({ type: 'query', id: 0, flags: RD, questions: [{ name, type: type as RecordType }] });
}

const invalidName = () => new HeddleError('INVALID', { field: 'name', problem: 'no DNS name' });

/** A record's data as text: addresses and names as they are, bytes as text, the rest as JSON. */
function dataText(data: unknown): string {
  if (typeof data === 'string') return data;
  if (Buffer.isBuffer(data)) return data.toString('utf8');
  if (Array.isArray(data)) return data.map(dataText).join(' ');
  return JSON.stringify(data);
}
