import type { Logger } from 'pino';
import type { Ip } from '../model/address.ts';
import { limits } from '../model/fields.ts';
import type { HostWord } from '../model/host-state.ts';
import { type PublishedPlace, partsOfPlace } from '../model/published-place.ts';

/** What changes meanwhile is said together. */
const gatherMs = 1_000;
/** Each place without an address counts for every address of the host: so many elements a host adds to all others' sets. */
const elementsMax = 65_536;

/** What the word is made of, as it is now. */
export interface HostWordParts {
  /** In order of weight: the last ones are left out first. */
  addresses(): readonly Ip[];
  held(): readonly PublishedPlace[];
  send(word: HostWord): void;
  readonly log: Pick<Logger, 'warn'>;
}

/** Tells the controller what other hosts must know of this one, while there is a connection and whenever it has changed. */
export class HostTeller implements Disposable {
  readonly #parts: HostWordParts;
  #open = false;
  #said = '';
  #left = '';
  #lastMs = -gatherMs;
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: HostWordParts) {
    this.#parts = parts;
  }

  /** A connection has brought the whole state: after the pass that follows, all is said. */
  begin(): void {
    this.#open = true;
    this.#said = '';
    setImmediate(() => this.#say());
  }

  /** There is no connection: what changes is said with the next one. */
  end(): void {
    this.#open = false;
  }

  /** Something may have changed. */
  heed(): void {
    if (!this.#open) return;
    this.#timer ??= setTimeout(() => this.#say(), Math.max(0, this.#lastMs + gatherMs - performance.now())).unref();
  }

  [Symbol.dispose](): void {
    this.end();
    clearTimeout(this.#timer);
  }

  #say(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (!this.#open) return;
    const word = this.#word();
    const text = JSON.stringify(word);
    if (text === this.#said) return;
    this.#said = text;
    this.#lastMs = performance.now();
    this.#parts.send(word);
  }

  #word(): HostWord {
    const all = { addresses: this.#parts.addresses(), held: this.#parts.held() };
    const addresses = all.addresses.slice(0, limits.addressesPerHost);
    const held = atMost(all.held, addresses.length + 1);
    const left = { addresses: all.addresses.length - addresses.length, held: all.held.length - held.length };
    if (JSON.stringify(left) !== this.#left && left.addresses + left.held > 0)
      this.#parts.log.warn(
        left,
        'too much to tell other hosts: workloads there get to these addresses, and not to these published ports',
      );
    this.#left = JSON.stringify(left);
    return { type: 'host', addresses, held };
  }
}

/** The first ones, which were there first. */
function atMost(held: readonly PublishedPlace[], addresses: number): PublishedPlace[] {
  let left = elementsMax;
  return held.slice(0, limits.heldPerHost).filter((place) => {
    left -= partsOfPlace(place).hostAddress === undefined ? addresses : 1;
    return left >= 0;
  });
}
