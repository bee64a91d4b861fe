/** All of one network's DNS but the sockets: a query as bytes in, an answer as bytes out. */
import { randomInt } from 'node:crypto';
import type { Logger } from 'pino';
import type { Forwarded, Forwarder } from './forward.ts';
import { clientLimits, InFlight, RateLimit } from './limits.ts';
import type { Names } from './names.ts';
import { opcodeOf, parseQuery, type Query, recordTypes } from './query.ts';
import { type Reply, udpLimit, writeReply } from './response.ts';

export type Transport = 'udp' | 'tcp';

/** What a network's DNS is made of. */
export interface NetworkDnsParts {
  readonly names: Pick<Names, 'network' | 'answer'>;
  readonly forwarder: Pick<Forwarder, 'forward'>;
  /** Forwarded queries of the whole host, by network. */
  readonly hostInFlight: InFlight;
  readonly log: Logger;
  /** Milliseconds. */
  readonly now: () => number;
}

/** Counters of a network's DNS since its server began, for status. */
export interface DnsCounters {
  queries: number;
  forwarded: number;
  /** No query, or a client over its rate. */
  dropped: number;
  /** Clients with too many forwarded queries at once. */
  refused: number;
}

const IN = 1;
const TCP_LIMIT = 65_535;

/** Answers the queries of one network's workloads. */
export class NetworkDns {
  readonly counters: DnsCounters = { queries: 0, forwarded: 0, dropped: 0, refused: 0 };
  readonly #parts: NetworkDnsParts;
  readonly #rate: RateLimit;
  readonly #inFlight = new InFlight(clientLimits.forwardedByClient, clientLimits.forwardedByNetwork);

  constructor(parts: NetworkDnsParts) {
    this.#parts = parts;
    this.#rate = new RateLimit(clientLimits.perSecond, clientLimits.burst, parts.now);
  }

  /** The answer to a message of a client, at once if it is known here; undefined if it gets none. Never throws. */
  answer(message: Buffer, client: string, transport: Transport): Buffer | Promise<Buffer> | undefined {
    try {
      return this.#answer(message, client, transport);
    } catch (err) {
      // A fault of ours costs this client an answer, and nobody else anything.
      this.#parts.log.error({ err }, 'a DNS query was not answered');
      return undefined;
    }
  }

  #answer(message: Buffer, client: string, transport: Transport): Buffer | Promise<Buffer> | undefined {
    const query = this.#rate.take(client) ? parseQuery(message) : undefined;
    if (!query) {
      this.counters.dropped += 1;
      return undefined;
    }
    this.counters.queries += 1;
    if ('malformed' in query) return writeReply(query.malformed, { rcode: 'FORMERR' }, TCP_LIMIT);
    const limit = transport === 'udp' ? udpLimit(query) : TCP_LIMIT;
    const reply = refusal(query) ?? this.#parts.names.answer(query.name, query.type);
    return reply ? writeReply(query, shuffled(reply), limit) : this.#forward(query, client, transport, limit);
  }

  async #forward(query: Query, client: string, transport: Transport, limit: number): Promise<Buffer> {
    const network = this.#parts.names.network.id;
    const mine = this.#inFlight.enter(client);
    const ours = mine && this.#parts.hostInFlight.enter(network);
    try {
      if (!ours) {
        this.counters.refused += 1;
        return writeReply(query, { rcode: 'SERVFAIL' }, limit);
      }
      this.counters.forwarded += 1;
      const { response }: Forwarded = await this.#parts.forwarder.forward(query, transport);
      return response;
    } catch (err) {
      this.#parts.log.error({ err }, 'a DNS query was not forwarded');
      return writeReply(query, { rcode: 'SERVFAIL' }, limit);
    } finally {
      if (mine) this.#inFlight.leave(client);
      if (ours) this.#parts.hostInFlight.leave(network);
    }
  }
}

/** What is answered without a look at names. */
function refusal(query: Query): Reply | undefined {
  if (opcodeOf(query) !== 0) return { rcode: 'NOTIMP' };
  if (query.edns && query.edns.version > 0) return { rcode: 'BADVERS' };
  if (query.class !== IN || query.type === recordTypes.AXFR || query.type === recordTypes.IXFR)
    return { rcode: 'REFUSED' };
  return undefined;
}

/** Records in an order of chance: clients take the first, and so spread over the ports of a name. */
function shuffled(reply: Reply): Reply {
  const records = [...(reply.records ?? [])];
  for (let i = records.length - 1; i > 0; i--) {
    const j = randomInt(i + 1);
    [records[i], records[j]] = [records[j]!, records[i]!];
  }
  return { ...reply, records };
}
