/** Finds who is on a segment without having said so, and who has an address of somebody else. */
import { gatewayMac, type Ip, type Mac } from '../../model/address.ts';
import type { PortItem } from '../../model/host-state.ts';
import { Contests, type Holder } from './contests.ts';
import { Gateways } from './gateways.ts';
import type { Heard } from './hearing.ts';
import { whoHasFrame, whoIsThereFrame } from './probe.ts';
import { askerIn, type Question, type Surveyed, Sweep, sweepPace } from './sweep.ts';

/** Milliseconds within which whoever was asked has answered, and was heard. */
const ANSWERED = 700;
/** A new segment is not kept waiting for longer. */
const PATIENCE = 4_000;
/** Addresses that are asked for once more. */
const MISSED = 1_000;

/** What a survey works with. */
export interface SurveyParts {
  readonly network: Surveyed & {
    /** Who has an address, machines of the segment left out. */
    holderOf(ip: Ip): Holder | undefined;
    /** Addresses of ports that are not behind the segment. */
    others(): Iterable<Ip>;
  };
  /** The segment's own. */
  readonly mac: Mac;
  /** Between two sweeps; 0: there are none. */
  readonly everyMs: () => number;
  /** All that was heard is told. */
  readonly isTold: () => boolean;
  readonly send: (frame: Uint8Array) => unknown;
}

/** One segment's, while this host forwards. */
export class Survey {
  readonly #parts: SurveyParts;
  readonly #sweep: Sweep;
  readonly #contests: Contests;
  readonly #gateways = new Gateways();
  /** Addresses of others that were asked for. */
  #checked = new Set<Ip>();
  /** Of those who were heard in this round, and could not be learned so fast. */
  readonly #missed = new Set<Ip>();
  #rounds = -1;
  #began = 0;
  #firstAt: number | undefined;

  constructor(parts: SurveyParts) {
    this.#parts = parts;
    this.#sweep = new Sweep(parts.network);
    this.#contests = new Contests(parts.network.holderOf);
  }

  /** This host forwards from now on. */
  begin(now: number): void {
    this.#sweep.restart();
    this.#gateways.restart();
    this.#checked.clear();
    this.#missed.clear();
    this.#rounds = -1;
    this.#began = now;
    this.#firstAt = undefined;
  }

  heard(who: Heard, now: number): void {
    this.#contests.heard(who, now);
  }

  /** Whoever has it was heard, when too many were: it is asked for once more when the round is over. */
  missed(ip: Ip): void {
    if (this.#missed.size < MISSED) this.#missed.add(ip);
  }

  /** A port of the network is new, or has other addresses. */
  came({ addresses }: Pick<PortItem, 'addresses'>): void {
    for (const ip of addresses) this.#check(ip);
  }

  /** Some times a second: asks. */
  tick(now: number): void {
    const { rounds } = this.#sweep.progress;
    if (rounds !== this.#rounds) this.#nextRound();
    this.#rounds = rounds;
    for (const ip of this.#contests.due(now)) this.#sweep.also(ip);
    const gateways = this.#parts.network.subnets.flatMap(({ gateway }) => gateway ?? []);
    for (const ip of this.#gateways.due(gateways, now)) this.#ask({ ip });
    if (!this.#gateways.areKnown(gateways, now)) return;
    for (const question of this.#sweep.due(now, this.#parts.everyMs())) this.#ask(question);
    const { asked, rounds: after } = this.#sweep.progress;
    if (asked >= sweepPace.first || after > 0 || this.#parts.everyMs() === 0) this.#firstAt ??= now;
  }

  /** Those whose addresses are given next have been asked for, and are ports if they answered; or it takes too long. */
  isThrough(now: number): boolean {
    if (now - this.#began > PATIENCE) return true;
    return this.#firstAt !== undefined && now - this.#firstAt > ANSWERED && this.#parts.isTold();
  }

  get contests(): Pick<Contests, 'all' | 'more'> {
    return this.#contests;
  }
  get status() {
    return { sweep: this.#sweep.progress };
  }

  /** What does not find room now is asked for in another round. */
  #check(ip: Ip): void {
    if (this.#checked.has(ip) || this.#sweep.waiting >= sweepPace.most) return;
    this.#checked.add(ip);
    this.#sweep.also(ip);
  }

  /** What is gone by now is asked for again when it comes back. */
  #nextRound(): void {
    for (const ip of this.#missed) this.#sweep.also(ip);
    this.#missed.clear();
    const before = this.#checked;
    this.#checked = new Set();
    for (const ip of this.#parts.network.others())
      if (before.has(ip)) this.#checked.add(ip);
      else this.#check(ip);
  }

  #ask(question: Question): void {
    const { mac, send, network } = this.#parts;
    if ('ip' in question) {
      const gateway = this.#asker(question.gateway);
      return void send(whoHasFrame(gateway ? { mac: gatewayMac, ip: gateway } : { mac }, question.ip));
    }
    const { cidr, gateway } = question.everybodyOf;
    const asker = this.#asker(gateway);
    if (asker) return void send(whoIsThereFrame({ mac: gatewayMac, ip: asker }));
    const ip = askerIn(cidr, mac);
    if (ip !== gateway && !network.has(ip)) send(whoIsThereFrame({ mac, ip }));
  }

  /** The gateway in whose name may be asked: nobody else is it on this LAN. */
  #asker = (gateway: Ip | undefined): Ip | undefined =>
    gateway !== undefined && !this.#contests.has(gateway) ? gateway : undefined;
}
