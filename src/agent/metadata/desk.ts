/** One network's metadata service without its sockets: who asks, how often, and what the answer is. */
import type { Logger } from 'pino';
import type { NetworkId } from '../../model/ids.ts';
import { InFlight, RateLimit } from '../dns/limits.ts';
import { type Answer, answer, plain, type Request } from './answer.ts';
import type { Instance } from './instance.ts';
import type { Tokens } from './tokens.ts';

/** What one port, and all of a network together, may ask of the agent. A guest's first boot asks some hundred times. */
export const guestLimits = {
  /** Requests per second of one port, and how many at once after a pause; those beyond are told to come back. */
  perSecond: 50,
  burst: 500,
  /** Connections of one port, of a network, and of the host; those beyond are closed. */
  connectionsByPort: 8,
  connectionsByNetwork: 512,
  connectionsByHost: 4_096,
} as const;

/** Since the agent began, for status. */
export interface MetadataCounters {
  requests: number;
  /** Over a limit: requests and connections. */
  refused: number;
  /** From an address of no port of this host. */
  unknown: number;
}

/** Where the connections of all of a host's networks are counted. */
export const hostConnections = (): InFlight =>
  new InFlight(guestLimits.connectionsByNetwork, guestLimits.connectionsByHost);

/** What a desk works with. */
export interface DeskParts {
  /** The port of this host with an address. */
  readonly find: (client: string) => Instance | undefined;
  readonly network: NetworkId;
  /** Of {@link hostConnections}; those of other networks are in it too. */
  readonly connections: InFlight;
  readonly tokens: Tokens;
  readonly counters: MetadataCounters;
  readonly log: Logger;
  /** Milliseconds. */
  readonly now: () => number;
}

/**
 * Answers the requests of one network's workloads. Limits are the port's, whichever of its addresses it uses; an address that
 * asks too fast is not even looked up.
 */
export class Desk {
  readonly #parts: DeskParts;
  readonly #byAddress: RateLimit;
  readonly #byPort: RateLimit;
  readonly #ports = new InFlight(guestLimits.connectionsByPort, guestLimits.connectionsByNetwork);

  constructor(parts: DeskParts) {
    this.#parts = parts;
    const { perSecond, burst } = guestLimits;
    this.#byAddress = new RateLimit(perSecond, burst, parts.now);
    this.#byPort = new RateLimit(perSecond, burst, parts.now);
  }

  /** Takes a place for a connection; undefined if there is none. To be called when it has ended. */
  enter(client: string): (() => void) | undefined {
    const { connections, network, counters, find } = this.#parts;
    if (connections.enter(network)) {
      const key = keyOf(find(client));
      if (this.#ports.enter(key))
        return () => {
          this.#ports.leave(key);
          connections.leave(network);
        };
      connections.leave(network);
    }
    counters.refused += 1;
    return undefined;
  }

  /** Never throws. */
  answer(request: Request, client: string): Answer {
    const { find, tokens, counters, log } = this.#parts;
    counters.requests += 1;
    try {
      if (!this.#byAddress.take(client)) return this.#refuse();
      const instance = find(client);
      if (!instance) counters.unknown += 1;
      return this.#byPort.take(keyOf(instance)) ? answer(request, instance, tokens) : this.#refuse();
    } catch (err) {
      // A fault of ours costs this client an answer, and nobody else anything.
      log.error({ err }, 'a metadata request was not answered');
      return { ...plain(500), close: true };
    }
  }

  #refuse(): Answer {
    this.#parts.counters.refused += 1;
    return { ...plain(503), headers: { 'retry-after': '1' }, close: true };
  }
}

/** All that are unknown share one budget. */
const keyOf = (instance: Instance | undefined): string => instance?.port.id ?? '';
