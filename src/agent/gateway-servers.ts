/** A server at each of this host's gateways, on sockets inside their namespaces. */
import type { Logger } from 'pino';
import type { Gateway } from '../gateway/gateways.ts';
import { type Netns, openNetns } from '../kernel/netns.ts';
import { toProblem } from '../model/errors.ts';
import type { NetworkId } from '../model/ids.ts';

/** Where a server is to be. */
export type ServerPlace = Pick<Gateway, 'network' | 'path' | 'addresses'>;

/** What it is about, and how one is opened. */
export interface GatewayServersParts {
  /** For the log: "no metadata for a network; …". */
  readonly what: string;
  /** For people. */
  nameOf(network: NetworkId): string | undefined;
  /** Disposing closes its sockets at once. Undefined: the network has none yet; see {@link GatewayServers.renew}. */
  open(place: ServerPlace, netns: Netns): Disposable | undefined;
  readonly log: Logger;
}

/** A gateway's server, or what keeps it from being. */
interface Served {
  readonly place: ServerPlace;
  readonly server?: Disposable;
  readonly problem?: string;
}

/** What could not be opened is tried again after so long, milliseconds. */
const RETRY_MS = 1_000;

/** Follows the gateways. Disposing closes all servers. */
export class GatewayServers implements Disposable {
  readonly #parts: GatewayServersParts;
  readonly #served = new Map<NetworkId, Served>();
  #retry: NodeJS.Timeout | undefined;

  constructor(parts: GatewayServersParts) {
    this.#parts = parts;
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#retry);
    for (const { server } of this.#served.values()) server?.[Symbol.dispose]();
    this.#served.clear();
  }

  /** A gateway came, changed, or is about to go (undefined): its sockets are closed when this returns. */
  gateway(network: NetworkId, place: ServerPlace | undefined): void {
    this.#served.get(network)?.server?.[Symbol.dispose]();
    this.#served.delete(network);
    if (place) this.#open(place, undefined);
  }

  /** What `open` goes by came or went: a gateway's server is closed, and opened again if there is to be one. */
  renew(network: NetworkId): void {
    const served = this.#served.get(network);
    served?.server?.[Symbol.dispose]();
    if (served) this.#open(served.place, served.problem);
  }

  #open(place: ServerPlace, before: string | undefined): void {
    const { what, open, log } = this.#parts;
    try {
      using netns = openNetns(place.path);
      const server = open(place, netns);
      this.#served.set(place.network, { place, ...(server && { server }) });
    } catch (cause) {
      const problem = toProblem(cause).detail;
      const network = this.#nameOf(place.network);
      if (problem !== before) log.warn({ err: cause, network }, `no ${what} for a network; tried again`);
      this.#served.set(place.network, { place, problem });
      this.#retry ??= setTimeout(() => this.#openFailed(), RETRY_MS);
    }
  }

  #openFailed(): void {
    this.#retry = undefined;
    for (const { place, problem } of [...this.#served.values()]) if (problem !== undefined) this.#open(place, problem);
  }

  #nameOf(network: NetworkId): string {
    return this.#parts.nameOf(network) ?? network;
  }

  /** How many there are, and which should be and are not, for status. */
  get status() {
    const failed = [...this.#served].flatMap(([network, { problem }]) =>
      problem === undefined ? [] : [{ network: this.#nameOf(network), problem }],
    );
    return { networks: [...this.#served.values()].filter(({ server }) => server).length, failed };
  }
}
