import type { X509Certificate } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

/** A timer's most, milliseconds; certificates hold for less. */
const MOST_MS = 2 ** 31 - 1;

const CUT_MS = 1_000;

/**
 * The connections on which hosts have shown a certificate that counted. Who shows one is asked at each request, but a watch and
 * an agent's stream go on: they end here, when it has expired or does not count any more.
 */
export class HostSockets {
  readonly #sockets = new Map<string, Set<Socket>>();
  readonly #now: () => Date;

  constructor(now: () => Date) {
    this.#now = now;
  }

  /** A host's request came by this socket. */
  note(host: string, socket: Socket): void {
    const sockets = this.#sockets.get(host) ?? new Set();
    if (sockets.has(socket)) return;
    this.#sockets.set(host, sockets.add(socket));
    const until = shownOn(socket)?.validToDate.getTime();
    const leftMs = (until ?? Number.POSITIVE_INFINITY) - this.#now().getTime();
    // One that has expired already was let in to be renewed, and is asked for again at the next request.
    const timer = leftMs > 0 ? setTimeout(() => socket.destroy(), Math.min(leftMs, MOST_MS)).unref() : undefined;
    socket.once('close', () => {
      clearTimeout(timer);
      sockets.delete(socket);
      if (sockets.size === 0 && this.#sockets.get(host) === sockets) this.#sockets.delete(host);
    });
  }

  /** Ends all of a host's, in a second: an answer that is under way goes out first, as that to a host that leaves. */
  cut(host: string): void {
    for (const socket of this.#sockets.get(host) ?? []) end(socket);
  }

  /** The same for those whose certificate (DER) does not count any more, whichever host it is of. */
  cutRefused(counts: (raw: Uint8Array) => boolean): void {
    for (const sockets of this.#sockets.values())
      for (const socket of sockets) {
        const shown = shownOn(socket);
        if (shown && !counts(shown.raw)) end(socket);
      }
  }
}

/** The certificate that the client of a connection has shown; undefined: none, or no TLS. */
export const shownOn = (socket: Socket): X509Certificate | undefined =>
  (socket as Partial<TLSSocket>).getPeerX509Certificate?.();
const end = (socket: Socket) => setTimeout(() => socket.destroy(), CUT_MS).unref();
