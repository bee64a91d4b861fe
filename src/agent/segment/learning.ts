/**
 * Which machines of a segment are to be ports: those that were heard, within limits, and as long as they answer. Pure: told
 * what is heard and what the network has, with the time; says what the controller is to be asked for, and whom to probe.
 */
import { gatewayMac, type Ip, type Mac } from '../../model/address.ts';
import { limits } from '../../model/fields.ts';
import type { PortItem } from '../../model/host-state.ts';
import type { PortId } from '../../model/ids.ts';
import type { Heard } from './hearing.ts';

/** Milliseconds; `newPerSecond`, `burst`: machines and addresses that the controller is asked for. */
export const learningPace = {
  newPerSecond: 100,
  burst: 200,
  /** An address is probed so often, this far apart, before it is given up. */
  probes: 3,
  probeGap: 1_000,
  /** What the controller refused is not asked for again so soon. */
  refused: 60_000,
  /** So long what the controller made may take to be told. */
  settling: 10_000,
  /** Probes sent at once, and refusals remembered. */
  probesAtOnce: 200,
  refusals: 1_000,
} as const;

/** What the network has. */
export interface Known {
  byMac(mac: Mac): PortItem | undefined;
  byIp(ip: Ip): PortItem | undefined;
  /** The ports that were learned behind this segment. */
  readonly learned: ReadonlyMap<PortId, PortItem>;
  /** Most of them. */
  readonly limit: number;
  /** An address that was not heard for so many milliseconds is probed. */
  readonly ageMs: number;
  /** The address lies in a subnet of the network. */
  isInside(ip: Ip): boolean;
}

/** What the controller is to be asked for: a port of that MAC with these addresses; without any: none. */
export interface Change {
  readonly mac: Mac;
  /** The port that is there. */
  readonly port?: PortId;
  readonly addresses: readonly Ip[];
  /** Those of them that are new. */
  readonly added: readonly Ip[];
}

/** Why something heard became no port. */
export type Ignored = 'outside' | 'foreign' | 'taken' | 'limit' | 'rate' | 'refused';

interface Wish {
  readonly add: Set<Ip>;
  readonly drop: Set<Ip>;
}

interface Seen {
  at: number;
  readonly probes: number;
  readonly probedAt: number;
}

/** One segment's. Times are milliseconds of any clock that only goes forward. */
export class Learning {
  readonly #known: Known;
  readonly #random: () => number;
  /** By MAC and address: when it was last heard, and the probes since. */
  #seen = new Map<string, Seen>();
  readonly #wishes = new Map<Mac, Wish>();
  /** By MAC: what the controller has just been asked for. */
  readonly #settling = new Map<Mac, { ips: readonly Ip[]; until: number }>();
  /** What the controller is being asked for. */
  readonly #asked = new Set<Mac>();
  /** By MAC and address: until when. */
  readonly #refused = new Map<string, number>();
  readonly #counts = new Map<Ignored, number>();
  #tokens: number = learningPace.burst;
  #filledAt = Number.NEGATIVE_INFINITY;

  /** `random` gives numbers from 0 to 1. */
  constructor(known: Known, random: () => number = Math.random) {
    this.#known = known;
    this.#random = random;
  }

  /** How often something was heard that became no port, by why. */
  get ignored(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
  /** Changes that wait for {@link take}. */
  get waiting(): number {
    return this.#wishes.size;
  }
  /** Nothing waits, and the controller is asked for nothing. */
  get isTold(): boolean {
    return this.#wishes.size === 0 && this.#asked.size === 0;
  }

  /** Somebody said something. Says why it becomes no port, if it does not. */
  heard(who: Heard, now: number): Ignored | undefined {
    const ignored = this.#heard(who, now);
    if (ignored) this.#counts.set(ignored, (this.#counts.get(ignored) ?? 0) + 1);
    return ignored;
  }

  #heard({ mac, ip }: Heard, now: number): Ignored | undefined {
    const { byMac, byIp, isInside } = this.#known;
    const key = keyOf(mac, ip);
    const port = byMac(mac);
    if (mac === gatewayMac || (port && !this.#isLearned(port)))
      return port?.addresses.includes(ip) ? undefined : 'foreign';
    if (port?.addresses.includes(ip)) {
      this.#seen.set(key, { at: now, probes: 0, probedAt: Number.NEGATIVE_INFINITY });
      this.#wishes.get(mac)?.drop.delete(ip);
      return undefined;
    }
    if (!isInside(ip)) return 'outside';
    const holder = byIp(ip);
    if (holder) {
      if (this.#isLearned(holder)) this.#suspect(holder.mac, ip, now);
      return 'taken';
    }
    return this.#wish(mac, ip, port, now);
  }

  #wish(mac: Mac, ip: Ip, port: PortItem | undefined, now: number): Ignored | undefined {
    const wish = this.#wishes.get(mac);
    if (wish?.add.has(ip) || this.#isSettling(mac, ip, now)) return undefined;
    if ((this.#refused.get(keyOf(mac, ip)) ?? Number.NEGATIVE_INFINITY) > now) return 'refused';
    // More cannot be remembered, and would be asked for again and again.
    if (this.#refused.size >= learningPace.refusals) return 'refused';
    if ((port?.addresses.length ?? 0) + (wish?.add.size ?? 0) >= limits.addressesPerPort) return 'limit';
    // Before what takes long to count.
    if (!this.#takeToken(now)) return 'rate';
    if (!port && !wish && this.#known.learned.size + this.#coming >= this.#known.limit) return 'limit';
    this.#wishes.getOrInsertComputed(mac, noWish).add.add(ip);
    return undefined;
  }

  /** Machines that are asked for and not yet told. */
  get #coming(): number {
    const isNew = (mac: Mac): boolean => !this.#known.byMac(mac);
    return [...new Set([...this.#wishes.keys(), ...this.#settling.keys()])].filter(isNew).length;
  }

  #isSettling(mac: Mac, ip: Ip, now: number): boolean {
    const settling = this.#settling.get(mac);
    if (settling && settling.until > now && settling.ips.includes(ip)) return true;
    if (settling && settling.until <= now) this.#settling.delete(mac);
    return false;
  }

  /** Who has it is asked now, and not when it is old. */
  #suspect(mac: Mac, ip: Ip, now: number): void {
    const seen = this.#seen.get(keyOf(mac, ip));
    const { ageMs } = this.#known;
    if (seen && now - seen.at < ageMs) seen.at = now - ageMs;
  }

  #takeToken(now: number): boolean {
    const { newPerSecond, burst } = learningPace;
    if (now > this.#filledAt)
      this.#tokens = Math.min(burst, this.#tokens + (Math.min(now - this.#filledAt, 1e9) * newPerSecond) / 1_000);
    this.#filledAt = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Whom to ask now whether they are still there; who did not answer is given up. To be called about once a second. */
  due(now: number): Heard[] {
    const { probes, probeGap, probesAtOnce } = learningPace;
    const { ageMs, learned } = this.#known;
    const seen = new Map<string, Seen>();
    const ask: Heard[] = [];
    for (const { mac, addresses } of learned.values())
      for (const ip of addresses) {
        const key = keyOf(mac, ip);
        // One that this agent never heard, because it or its host is new here, is as old as any: not all at once.
        const have = this.#seen.get(key) ?? {
          at: now - this.#random() * (ageMs / 2),
          probes: 0,
          probedAt: Number.NEGATIVE_INFINITY,
        };
        seen.set(key, have);
        if (now - have.at < ageMs || now - have.probedAt < probeGap) continue;
        if (have.probes >= probes) this.#wishes.getOrInsertComputed(mac, noWish).drop.add(ip);
        else if (ask.length < probesAtOnce) {
          seen.set(key, { ...have, probes: have.probes + 1, probedAt: now });
          ask.push({ mac, ip });
        }
      }
    this.#seen = seen;
    for (const [mac, { until }] of this.#settling) if (until <= now) this.#settling.delete(mac);
    for (const [key, until] of this.#refused) if (until <= now) this.#refused.delete(key);
    return ask;
  }

  /** The next change, which no longer waits: its end is to be told. */
  take(): Change | undefined {
    for (const [mac, { add, drop }] of this.#wishes) {
      if (this.#isUnderWay(mac)) continue;
      this.#wishes.delete(mac);
      const port = this.#known.byMac(mac);
      if (port && !this.#isLearned(port)) continue;
      const before = port?.addresses ?? [];
      const added = [...add].filter((ip) => !before.includes(ip));
      const addresses = [...before.filter((ip) => !drop.has(ip)), ...added];
      if (added.length === 0 && addresses.length === before.length) continue;
      this.#asked.add(mac);
      return { mac, ...(port && { port: port.id }), addresses, added };
    }
    return undefined;
  }

  /** One thing after another: until the last one is told, it is not known what is there. */
  #isUnderWay(mac: Mac): boolean {
    const settling = this.#settling.get(mac);
    const have = this.#known.byMac(mac)?.addresses ?? [];
    return this.#asked.has(mac) || (settling?.ips.some((ip) => !have.includes(ip)) ?? false);
  }

  /** The controller did it. */
  done({ mac, addresses }: Change, now: number): void {
    this.#asked.delete(mac);
    this.#settling.set(mac, { ips: addresses, until: now + learningPace.settling });
  }
  /** It could not be asked: the change waits again. */
  again({ mac, added }: Change): void {
    this.#asked.delete(mac);
    const wish = this.#wishes.getOrInsertComputed(mac, noWish);
    for (const ip of added) wish.add.add(ip);
  }
  /** The controller refused it, because of one address or for all. */
  refused({ mac, added }: Change, why: Ip | undefined, now: number): void {
    this.#asked.delete(mac);
    this.#counts.set('refused', (this.#counts.get('refused') ?? 0) + 1);
    const theirs = why !== undefined && added.includes(why) ? [why] : added;
    for (const ip of theirs)
      if (this.#refused.size < learningPace.refusals) this.#refused.set(keyOf(mac, ip), now + learningPace.refused);
    const others = added.filter((ip) => !theirs.includes(ip));
    if (others.length > 0) this.again({ mac, addresses: [], added: others });
  }

  #isLearned = (port: PortItem): boolean => this.#known.learned.has(port.id);
}

const keyOf = (mac: Mac, ip: Ip): string => `${mac} ${ip}`;
const noWish = (): Wish => ({ add: new Set(), drop: new Set() });
