/** Names that are not ours: asked of the host's resolvers. */
import { askTcp, askUdp, isTruncated, upstreamQuery } from './exchange.ts';
import { type Query, rcodes } from './query.ts';
import type { Upstream } from './resolv-conf.ts';
import { adoptResponse, udpLimit, writeReply } from './response.ts';

/** What came of a forwarded query. */
export interface Forwarded {
  /** The answer, ready for the client. */
  readonly response: Buffer;
  /** Who gave it; absent if nobody did. */
  readonly server?: Upstream;
}

/** What a forwarder works with. */
export interface ForwarderParts {
  readonly resolvers: { readonly servers: readonly Upstream[] };
  /** For each server; default 2 s, so that three are asked before the usual client gives up. */
  readonly timeoutMs?: number;
  /** Milliseconds. */
  readonly now?: () => number;
}

/** A server that did not answer is asked after the others for so long, milliseconds. */
const SHUNNED_MS = 30_000;
/** UDP has an answer of at most this many bytes, TCP of what its length can say. */
const TCP_LIMIT = 65_535;

/** Asks resolvers one after the other. Keeps no answers: the host's own resolvers do. */
export class Forwarder {
  readonly #resolvers: ForwarderParts['resolvers'];
  readonly #timeoutMs: number;
  readonly #now: () => number;
  readonly #failedAt = new Map<string, number>();
  #lastProblem: string | undefined;

  constructor({ resolvers, timeoutMs = 2_000, now = () => performance.now() }: ForwarderParts) {
    this.#resolvers = resolvers;
    this.#timeoutMs = timeoutMs;
    this.#now = now;
  }

  /** Who is asked, and what is wrong if the last query had no answer. For status. */
  get summary() {
    return {
      resolvers: this.#resolvers.servers.map((s) => s.address),
      ...(this.#lastProblem !== undefined && { problem: this.#lastProblem }),
    };
  }

  /**
   * The first answer that is neither SERVFAIL nor REFUSED, else the last of these, else SERVFAIL of our own. A client on
   * TCP is given all of an answer, one on UDP what it takes, or a TC.
   */
  async forward(query: Query, transport: 'udp' | 'tcp'): Promise<Forwarded> {
    const limit = transport === 'udp' ? udpLimit(query) : TCP_LIMIT;
    let last: Forwarded | undefined;
    let problem: string | undefined = 'there is no resolver';
    for (const server of this.#inTurn()) {
      try {
        const answer = await this.#ask(server, query, transport);
        this.#failedAt.delete(keyOf(server));
        const rcode = answer.readUInt16BE(2) & 15;
        const forwarded = { response: adoptResponse(query, answer, limit), server };
        problem = undefined;
        last = forwarded;
        if (rcode !== rcodes.SERVFAIL && rcode !== rcodes.REFUSED) break;
      } catch (cause) {
        problem = `${server.address}: ${(cause as Error).message}`;
        this.#failedAt.set(keyOf(server), this.#now());
      }
    }
    this.#lastProblem = problem;
    return last ?? { response: writeReply(query, { rcode: 'SERVFAIL' }, limit) };
  }

  async #ask(server: Upstream, query: Query, transport: 'udp' | 'tcp'): Promise<Buffer> {
    const asked = upstreamQuery(query, udpLimit(query));
    const answer = await askUdp(server, asked, query.question, this.#timeoutMs);
    if (transport === 'udp' || !isTruncated(answer)) return answer;
    return askTcp(server, asked, query.question, this.#timeoutMs);
  }

  /** In the file's order, but what has just failed is tried last. */
  #inTurn(): readonly Upstream[] {
    const recent = this.#now() - SHUNNED_MS;
    const failed = (s: Upstream): boolean => (this.#failedAt.get(keyOf(s)) ?? Number.NEGATIVE_INFINITY) > recent;
    const { servers } = this.#resolvers;
    return [...servers.filter((s) => !failed(s)), ...servers.filter(failed)];
  }
}

const keyOf = ({ address, port }: Upstream): string => `${address} ${port}`;
