import type { NetworkItem } from '../../model/host-state.ts';
import type { Reply } from './response.ts';
import type { Zone } from './zone.ts';

/** What the DNS of one network knows: its own names, and those of the networks that a router joins to it. */
export class Names {
  readonly #own: Zone;
  readonly #joined: () => Iterable<Zone>;

  /** `joined` are the zones of the router's networks as they are now; the own one may be among them. */
  constructor(own: Zone, joined: () => Iterable<Zone>) {
    this.#own = own;
    this.#joined = joined;
  }

  get network(): NetworkItem {
    return this.#own.network;
  }

  /** The answer of the zone that covers most of the name; undefined: it is to be asked elsewhere. */
  answer(name: string, type: number): Reply | undefined {
    const own = this.#own;
    let other: Zone | undefined;
    let most = own.has(name) ? Number.POSITIVE_INFINITY : own.covers(name, 'all');
    for (const zone of this.#joined()) {
      const covered = zone === own ? 0 : zone.covers(name, 'routed');
      if (covered <= most) continue;
      other = zone;
      most = covered;
    }
    return other ? other.answer(name, type, 'routed') : own.answer(name, type);
  }
}
