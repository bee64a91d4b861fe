/**
 * Addresses that a machine of a segment has and a port, or the gateway, too: nobody can mend that but people, who are told.
 * Pure: told what is heard, with the time.
 */
import { gatewayMac, type Ip, type Mac } from '../../model/address.ts';
import { limits } from '../../model/fields.ts';
import type { PortItem } from '../../model/host-state.ts';
import type { PortId } from '../../model/ids.ts';
import type { PortReport } from '../conditions.ts';
import type { Heard } from './hearing.ts';

/** Milliseconds. */
export const contestPace = {
  /** Whoever was found is asked again so often, … */
  again: 30_000,
  /** … counts no more as who has it, if another answers, when it did not for so long … */
  succeeded: 45_000,
  /** … and forgotten when it did not answer for so long. */
  forgotten: 100_000,
} as const;

/** Of them a machine is told with no more than these, so that a router that answers for all hides nobody else's. */
const OF_A_MACHINE = limits.contests / 2;
/** Those that are counted alone. */
const COUNTED = 1_000;

/** Who has an address: a port, or a gateway. */
export type Holder = Pick<PortItem, 'id' | 'name' | 'mac'> | 'gateway';

/** One address that two have. */
export interface Contest {
  readonly address: Ip;
  /** The machine's. */
  readonly mac: Mac;
  /** Absent: the gateway has it. */
  readonly port?: PortId;
  readonly name: string;
}

/** One segment's. Times are milliseconds of any clock that only goes forward. */
export class Contests {
  readonly #holderOf: (ip: Ip) => Holder | undefined;
  readonly #found = new Map<Ip, { mac: Mac; at: number; askedAt: number }>();
  /** There was no room for these. */
  readonly #more = new Set<Ip>();

  /** `holderOf`: who has an address, machines of the segment left out. */
  constructor(holderOf: (ip: Ip) => Holder | undefined) {
    this.#holderOf = holderOf;
  }

  heard({ mac, ip }: Heard, now: number): void {
    if (mac === gatewayMac) return;
    const holder = this.#holderOf(ip);
    if (!holder || (holder !== 'gateway' && holder.mac === mac)) return;
    const found = this.#found.get(ip);
    if (!found) return this.#find({ mac, ip }, holder, now);
    if (found.mac !== mac && now - found.at <= contestPace.succeeded) return;
    found.mac = mac;
    found.at = now;
  }

  /** A gateway's counts always: it is asked in its name only if nobody else has its address. */
  #find({ mac, ip }: Heard, holder: Holder, now: number): void {
    if (holder === 'gateway' || this.#hasRoom(mac)) {
      this.#found.set(ip, { mac, at: now, askedAt: now });
      this.#more.delete(ip);
    } else if (this.#more.size < COUNTED) this.#more.add(ip);
  }

  #hasRoom(mac: Mac): boolean {
    const told = [...this.#found].filter(([ip]) => this.#holderOf(ip) !== 'gateway');
    return told.length < limits.contests && told.filter(([, found]) => found.mac === mac).length < OF_A_MACHINE;
  }

  /** Somebody else has the address, too. */
  has(ip: Ip): boolean {
    return this.#found.has(ip);
  }

  /** How many there are that are not among {@link all}. */
  get more(): number {
    return this.#more.size;
  }

  /** Addresses to be asked for again; what is over is forgotten. */
  due(now: number): Ip[] {
    const ask: Ip[] = [];
    for (const [ip, found] of this.#found) {
      const holder = this.#holderOf(ip);
      const isOver = !holder || (holder !== 'gateway' && holder.mac === found.mac);
      if (isOver || now - found.at > contestPace.forgotten) this.#found.delete(ip);
      else if (now - found.askedAt > contestPace.again) {
        found.askedAt = now;
        ask.push(ip, ...this.#another());
      }
    }
    if (this.#found.size === 0) ask.push(...this.#another());
    return ask;
  }

  /** One that there was no room for; whoever has it is heard again. */
  #another(): Ip[] {
    for (const ip of this.#more) {
      this.#more.delete(ip);
      return [ip];
    }
    return [];
  }

  get all(): Contest[] {
    return [...this.#found].flatMap(([address, { mac }]) => {
      const holder = this.#holderOf(address);
      if (!holder) return [];
      return holder === 'gateway'
        ? { address, mac, name: 'the gateway' }
        : { address, mac, port: holder.id, name: holder.name };
    });
  }
}

/** As the controller is told; the gateway is nobody's port. */
export const contestsReport = (contests: readonly Contest[]): NonNullable<PortReport['contests']> =>
  contests
    .flatMap(({ port, address, mac }) => (port === undefined ? [] : { port, address, mac }))
    .slice(0, limits.contests);

/** For people; of many the first ones. `more`: how many there are besides. */
export function contestsText(contests: readonly Contest[], more: number): string {
  const texts = contests.slice(0, 3).map(({ address, mac, name }) => `${address} of ${name} (${mac})`);
  const others = contests.length - texts.length + more;
  return `machines have addresses of others: ${texts.join(', ')}${others > 0 ? `, and ${others} more` : ''}`;
}
