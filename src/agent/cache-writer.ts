import type { Reconciler } from './reconciler.ts';
import { writeStateCache } from './state-cache.ts';

/** At most so often is the host state written to disk. */
const intervalMs = 1_000;

/** Writes the host state to disk: the first one at once, later ones soon after they changed, and the last one at the end. */
export class CacheWriter implements Disposable {
  readonly #stateDir: string;
  readonly #reconciler: Reconciler;
  #timer: NodeJS.Timeout | undefined;
  /** Revision of what was written last. */
  #written = '';
  /**
   * What of it is known after a fall too: the networks of which this host is a member, since ports may be made on one that came;
   * what routers join, since a peer that took its word back is reached no more; and where ports of two hosts are, since a guest
   * may come to one where nobody knows of it.
   */
  #reach = '';

  constructor(stateDir: string, reconciler: Reconciler) {
    this.#stateDir = stateDir;
    this.#reconciler = reconciler;
  }

  touch(): void {
    if (this.#written === '' || this.#reachNow() !== this.#reach) this.#write();
    else this.#timer ??= setTimeout(() => this.#write(), intervalMs).unref();
  }

  [Symbol.dispose](): void {
    if (this.#timer) this.#write();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { host, revision, state, synced } = this.#reconciler;
    // A snapshot half received is no state.
    if (!host || !synced || revision === this.#written) return;
    writeStateCache(this.#stateDir, { host, revision, items: state.told });
    this.#reach = this.#reachNow();
    this.#written = revision;
  }

  #reachNow(): string {
    const { networks, routers, paired } = this.#reconciler.state;
    const members = [...networks.values()].flatMap(({ id, member }) => (member ? id : []));
    const joined = [...routers].map(({ id, subnets }) => [id, ...subnets.map((s) => `${s.network} ${s.cidr}`)]);
    const places = [...paired].map(({ id, host, standby }) => `${id} ${host} ${standby}`);
    return [...members, ...joined.flat(), ...places].join();
  }
}
