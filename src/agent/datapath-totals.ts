import { reasons } from '../datapath/reasons.ts';

/** What a slot has passed, from the workload's side: packets and bytes that it sent, packets and bytes that it was sent. */
export type SlotTraffic = readonly [txPackets: bigint, txBytes: bigint, rxPackets: bigint, rxBytes: bigint];

/** The datapath's counters, as the totals read them. */
interface CountedSlots {
  /** Slots in use. */
  slots(): ReadonlyMap<unknown, number>;
  traffic(slot: number): SlotTraffic;
  /** Packets of a slot by reason, in the order of the table. */
  tallyOf(slot: number): readonly bigint[];
  /** The same of all slots. */
  tally(): readonly bigint[];
  /** Called before a slot's counters are set to zero for its next owner. */
  onReset: (slot: number) => void;
}

/**
 * What the datapath of this host has counted since this process began, of all ports together. The kernel's counters are by
 * slot, outlive agents, and begin anew with each owner of a slot; these only rise.
 */
export class DatapathTotals {
  readonly #counted: CountedSlots;
  /** Slots whose traffic is a part of the sums, beside what their owners before had. */
  readonly #slots: Set<number>;
  /** What owners before had, less what was there at the beginning. */
  readonly #traffic: [bigint, bigint, bigint, bigint] = [0n, 0n, 0n, 0n];
  readonly #reasons: bigint[];

  constructor(counted: CountedSlots) {
    this.#counted = counted;
    // Slot 0 is the host itself.
    this.#slots = new Set([...counted.slots().values()].filter((slot) => slot !== 0));
    for (const slot of this.#slots) this.#add(counted.traffic(slot), -1n);
    this.#reasons = counted.tally().map((n) => -n);
    counted.onReset = (slot) => this.#reset(slot);
  }

  /** From the workloads' side. Cost: two reads for each slot that was ever used. */
  get traffic(): SlotTraffic {
    const sums = [...this.#traffic] as [bigint, bigint, bigint, bigint];
    for (const slot of this.#slots) for (const [i, n] of this.#counted.traffic(slot).entries()) sums[i]! += n;
    return sums;
  }

  /** Packets by reason, in the order of the table. Cost: all counters of reasons. */
  get reasons(): readonly bigint[] {
    const now = this.#counted.tally();
    return reasons.map((_, i) => now[i]! + this.#reasons[i]!);
  }

  #reset(slot: number): void {
    for (const [i, n] of this.#counted.tallyOf(slot).entries()) this.#reasons[i]! += n;
    // Of a slot that was in use last before this process, nothing was in the sums.
    if (this.#slots.has(slot)) this.#add(this.#counted.traffic(slot), 1n);
    this.#slots.add(slot);
  }

  #add(traffic: SlotTraffic, by: 1n | -1n): void {
    for (const [i, n] of traffic.entries()) this.#traffic[i]! += by * n;
  }
}
