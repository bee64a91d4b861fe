import { setTimeout as delay } from 'node:timers/promises';
import { authorityId } from '../trust/authority-certificate.ts';
import type { Authority } from './authority.ts';
import type { Presence } from './presence.ts';

/** So many hosts are told at once, and after such a pause the next: each certificate is a signature and a write. */
const pace = { hosts: 20, everyMs: 100 } as const;

/**
 * Has hosts renew their certificates when another authority signs than theirs: those that are connected at once, the others when
 * they come. Without it they would within a day.
 */
export class Renewals implements Disposable {
  readonly #authority: Authority;
  readonly #presence: Presence;
  readonly #stop = new AbortController();
  readonly #listening: Disposable;

  constructor(authority: Authority, presence: Presence) {
    this.#authority = authority;
    this.#presence = presence;
    this.#listening = authority.onRenewed(() => void this.#tellAll());
    presence.listeners.add(this.#arrivals);
    void this.#tellAll();
  }

  readonly #arrivals = {
    arrived: (host: string) => {
      if (this.#outdated().has(host)) this.#presence.get(host)?.renew();
    },
    left: () => undefined,
    refused: () => undefined,
    reported: () => undefined,
  };

  async #tellAll(): Promise<void> {
    let told = 0;
    for (const host of this.#outdated()) {
      if (told++ % pace.hosts === pace.hosts - 1) await delay(pace.everyMs, undefined, { ref: false });
      if (this.#stop.signal.aborted) return;
      this.#presence.get(host)?.renew();
    }
  }

  /** Hosts whose certificate is of the authority before the one that signs. */
  #outdated(): Set<string> {
    const [, older] = this.#authority.authorities;
    return new Set(older ? this.#authority.hostsOf(authorityId(older.toString())).map(({ id }) => id) : []);
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#listening[Symbol.dispose]();
    this.#presence.listeners.delete(this.#arrivals);
  }
}
