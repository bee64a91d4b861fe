/**
 * Which addresses of a network are to be asked for on a segment, so that machines that say nothing are found before their
 * address is given to somebody else, and are reached by routers. Pure: told the time, says whom to ask for.
 */
import { type Ip, ipFamily, ipNumber, ipOfNumber, type Mac, parsePrefix, prefixHas } from '../../model/address.ts';
import type { NetworkItem } from '../../model/host-state.ts';

type Subnet = NetworkItem['subnets'][number];

export const sweepPace = {
  /** Questions; as many as machines may be learned: whoever answers can become a port. */
  perSecond: 100,
  burst: 200,
  /** Addresses of a subnet that are asked for in one sweep. */
  most: 4_096,
  /** So many, those that are given next, are asked for before a new segment is said to be up. */
  first: 256,
  /** So many that ports have are passed over at once. */
  lookedAt: 1_000,
  /** Between the beginnings of two sweeps, milliseconds, at least. */
  shortest: 60_000,
} as const;

/** What of the network counts. */
export interface Surveyed {
  readonly subnets: readonly Subnet[];
  /** A port has the address. */
  has(ip: Ip): boolean;
}

/** One address is asked for, or everybody of an IPv6 subnet is. */
export type Question = { readonly ip: Ip; readonly gateway?: Ip } | { readonly everybodyOf: Subnet };

/** One segment's. Times are milliseconds of any clock that only goes forward. */
export class Sweep {
  readonly #network: Surveyed;
  #subnets: readonly Subnet[] = [];
  #questions: Iterator<Question | undefined, void> | undefined;
  /** By itself: what is new, before the sweep or beside it. */
  readonly #singles = new Set<Ip>();
  #began = Number.NEGATIVE_INFINITY;
  #tokens: number = sweepPace.burst;
  #filledAt = Number.NEGATIVE_INFINITY;
  #asked = 0;
  #rounds = 0;
  #turn = 0;

  constructor(network: Surveyed) {
    this.#network = network;
  }

  /** Questions of the sweep that goes on, or of the last one, and sweeps that came to their end. */
  get progress() {
    return { asked: this.#asked, rounds: this.#rounds };
  }

  /** The next call of {@link due} begins anew. */
  restart(): void {
    this.#began = Number.NEGATIVE_INFINITY;
    this.#questions = undefined;
    this.#asked = 0;
    this.#rounds = 0;
  }

  /** Addresses besides that were not asked for yet. */
  get waiting(): number {
    return this.#singles.size;
  }

  /** Asks for one address besides. */
  also(ip: Ip): void {
    this.#singles.add(ip);
  }

  /** `everyMs`: between two sweeps; 0: none, only what is new is asked for. */
  due(now: number, everyMs: number): Question[] {
    this.#fill(now);
    this.#begin(now, everyMs);
    const out: Question[] = [];
    while (this.#tokens >= 1) {
      const question = this.#next();
      if (!question) break;
      this.#tokens--;
      out.push(question);
    }
    return out;
  }

  #begin(now: number, everyMs: number): void {
    const { subnets } = this.#network;
    if (everyMs === 0) return this.restart();
    const isNew = subnets !== this.#subnets && JSON.stringify(subnets) !== JSON.stringify(this.#subnets);
    this.#subnets = subnets;
    if (!isNew && (this.#questions || now - this.#began < Math.max(everyMs, sweepPace.shortest))) return;
    this.#began = now;
    this.#asked = 0;
    this.#questions = this.#all(subnets);
  }

  /** By turns, so that neither waits for the other's end. */
  #next(): Question | undefined {
    return ++this.#turn % 2 ? (this.#single() ?? this.#swept()) : (this.#swept() ?? this.#single());
  }

  #single(): Question | undefined {
    const [ip] = this.#singles;
    if (ip === undefined) return undefined;
    this.#singles.delete(ip);
    const subnet = this.#network.subnets.find(({ cidr }) => prefixHas(parsePrefix(cidr), ip));
    return question(ip, subnet?.gateway);
  }

  #swept(): Question | undefined {
    const next = this.#questions?.next();
    if (!next) return undefined;
    if (!next.done) {
      if (next.value) this.#asked++;
      return next.value;
    }
    this.#questions = undefined;
    this.#rounds++;
    return undefined;
  }

  /** Undefined: that is enough for one turn of the event loop. */
  *#all(subnets: readonly Subnet[]): Generator<Question | undefined, void> {
    for (const subnet of subnets) if (ipFamily(subnet.cidr) === 6) yield { everybodyOf: subnet };
    for (const subnet of subnets) {
      if (ipFamily(subnet.cidr) === 6) continue;
      let count = 0;
      let passedOver = 0;
      for (const ip of addressesOf(subnet)) {
        if (!this.#network.has(ip)) {
          yield question(ip, subnet.gateway);
          if (++count === sweepPace.most) break;
        } else if (++passedOver % sweepPace.lookedAt === 0) yield undefined;
      }
    }
  }

  #fill(now: number): void {
    const { perSecond, burst } = sweepPace;
    const passed = Math.min(now - this.#filledAt, 1e9);
    if (passed > 0) this.#tokens = Math.min(burst, this.#tokens + (passed * perSecond) / 1_000);
    this.#filledAt = now;
  }
}

/** All that a machine could have: of the pools, in the order in which they are given, then the others. */
function* addressesOf({ cidr, gateway, pools = [] }: Subnet): Generator<Ip> {
  const { first, last } = intervalOf(parsePrefix(cidr));
  const ranges = pools.map((p) => intervalOf({ first: ipNumber(p.first), last: ipNumber(p.last) }));
  const none = last - first < 2 ? [] : [first, last];
  if (gateway) none.push(Number(ipNumber(gateway)));
  for (const range of ranges) for (let n = range.first; n <= range.last; n++) if (!none.includes(n)) yield ip4Text(n);
  for (let n = first; n <= last; n++) {
    const pool = ranges.find((r) => r.first <= n && n <= r.last);
    if (pool) n = pool.last;
    else if (!none.includes(n)) yield ip4Text(n);
  }
}

/** IPv4's numbers are small. */
const intervalOf = ({ first, last }: { first: bigint; last: bigint }) => ({ first: Number(first), last: Number(last) });
const ip4Text = (n: number): Ip => [24, 16, 8, 0].map((bits) => (n >>> bits) & 255).join('.') as Ip;

/** Who asks should be the gateway, whose address all know: a question from nobody would disturb who is about to take it. */
const question = (ip: Ip, gateway: Ip | undefined): Question => ({ ip, ...(gateway && gateway !== ip && { gateway }) });

/** An address of an IPv6 subnet from which everybody can be asked if no gateway can: that of the segment's MAC as a number. */
export function askerIn(cidr: string, mac: Mac): Ip {
  const { first, last } = parsePrefix(cidr);
  return ipOfNumber(first + 1n + (BigInt(`0x${mac.replaceAll(':', '')}`) % (last - first)), 6);
}
