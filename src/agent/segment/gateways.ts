/**
 * When it is known whether a LAN has somebody else at the address of a gateway: a router of its own, mostly. Until then, and
 * while there is one, nobody asks in the gateway's name: each machine that hears a question believes its sender (RFC 826), and
 * would send to the wrong one. Pure: told the time.
 */
import type { Ip } from '../../model/address.ts';

export const gatewayPace = {
  /** Questions for one address, as a frame may be lost, and milliseconds between them. */
  times: 2,
  gap: 300,
  /** Milliseconds after the first, within which whoever has it has answered, and was heard. */
  answered: 700,
  /** Asked for anew so often: a router may come that says nothing by itself. */
  again: 30_000,
  /** In one turn. */
  most: 30,
} as const;

/** One segment's. Times are milliseconds of any clock that only goes forward. */
export class Gateways {
  /** Since when each is asked for, and how often it was. */
  #asked = new Map<Ip, { readonly since: number; readonly times: number }>();

  /** Nothing is known any more. */
  restart(): void {
    this.#asked.clear();
  }

  /** Those of the network's that are to be asked for now. */
  due(gateways: readonly Ip[], now: number): Ip[] {
    const { times, gap, again, most } = gatewayPace;
    const before = this.#asked;
    this.#asked = new Map();
    const ask: Ip[] = [];
    for (const ip of gateways) {
      let asked = before.get(ip);
      const isOld = !asked || now - asked.since >= again;
      if (ask.length < most && (isOld || (asked!.times < times && now - asked!.since >= gap))) {
        asked = isOld ? { since: now, times: 1 } : { since: asked!.since, times: asked!.times + 1 };
        ask.push(ip);
      }
      if (asked) this.#asked.set(ip, asked);
    }
    return ask;
  }

  /** Each of those that {@link due} was told has had time to answer. */
  areKnown(gateways: readonly Ip[], now: number): boolean {
    return gateways.every((ip) => {
      const { since = now, times = 0 } = this.#asked.get(ip) ?? {};
      return times === gatewayPace.times && now - since > gatewayPace.answered;
    });
  }
}
