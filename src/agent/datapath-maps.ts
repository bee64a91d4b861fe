import type { MapRow } from '../compile/map-row.ts';
import {
  BEGUN_WORDS,
  begunKey,
  gateRow,
  indexKey,
  isArray,
  type MapName,
  maps,
  OLDER_FLOWS,
  OLDER_SECOND,
  olderKey,
  olderRow,
  portRow,
  stationKey,
  tallyKey,
  tallyRow,
  trafficRow,
} from '../datapath/layouts.ts';
import { type ReasonName, reasons } from '../datapath/reasons.ts';
import type { BpfMap, BpfObject } from '../kernel/bpf.ts';
import type { PortCounters } from '../model/host-state.ts';
import type { SlotTraffic } from './datapath-totals.ts';
import { type RowOwner, RowTable } from './row-table.ts';

/** Counters and rates that the datapath writes itself; the rows of all other maps are stated by the plan. */
const written: ReadonlySet<MapName> = new Set([
  'gates',
  'traffic',
  'tally',
  'service_rate',
  'flood_rate',
  'flood_copies',
  'begun',
  'older',
]);
const planned = (Object.keys(maps) as MapName[]).filter((name) => !written.has(name));

/** Where a port has its slot: a device, or a segment by its NIC and tag (0: none). */
export const placeKey = (ifindex: number, vlan?: number): string =>
  vlan === undefined ? `${ifindex}` : `${ifindex}/${vlan}`;

/** The pinned BPF maps, with what is desired in them and the counters that come out of them. */
export class DatapathMaps {
  /** Called before a slot's counters are set to zero. */
  onReset: (slot: number) => void = () => undefined;
  readonly #object: BpfObject;
  readonly #table = new RowTable();

  constructor(object: BpfObject) {
    this.#object = object;
    this.adopt();
  }

  /** Takes the kernel's rows as the actual state; returns how many differ from what was believed. */
  adopt(): number {
    return this.#table.adopt(this.#read());
  }

  state(owner: RowOwner, rows: readonly MapRow[]): void {
    this.#table.state(owner, rows);
  }

  /** See {@link RowTable.apply}. A removed array row becomes zeros, as arrays have no holes. */
  apply(options: { whole: boolean }): Map<RowOwner, unknown> {
    return this.#table.apply(
      {
        put: ({ map, key, value }) => this.#map(map).update(key, value),
        remove: (map, key) =>
          isArray(maps[map])
            ? this.#map(map).update(key, new Uint8Array(maps[map].value.size))
            : this.#map(map).delete(key),
      },
      options,
    );
  }

  get size(): { desired: number; actual: number } {
    return this.#table.size;
  }

  /** Slots in use by {@link placeKey}, as the pinned maps have them: a restarted agent keeps them, and with them the counters. */
  slots(): Map<string, number> {
    const devices = [...this.#map('ports').entries()].map(
      ([key, value]) => [placeKey(indexKey.decode(key).index), portRow.decode(value).slot] as const,
    );
    const segments = [...this.#map('stations').entries()].flatMap(([key, value]) => {
      const { ifindex, vlan, mac } = stationKey.decode(key);
      return mac.some((b) => b !== 0) ? [] : [[placeKey(ifindex, vlan), portRow.decode(value).slot] as const];
    });
    return new Map([...devices, ...segments]);
  }

  /** A slot's counters; slot 0 is the host itself. */
  counters(slot: number): PortCounters {
    const [txPackets, txBytes, rxPackets, rxBytes] = this.traffic(slot).map(String) as [string, string, string, string];
    const tally: Record<string, string> = {};
    for (const [reason, packets] of this.tallyOf(slot).entries())
      if (packets > 0n) tally[reasons[reason]!.name satisfies ReasonName] = String(packets);
    return { txPackets, txBytes, rxPackets, rxBytes, reasons: tally };
  }

  /** What passed through a slot, on all CPUs. */
  traffic(slot: number): SlotTraffic {
    const sums: [bigint, bigint, bigint, bigint] = [0n, 0n, 0n, 0n];
    for (const value of this.#map('traffic').lookupPerCpu(indexKey.encode({ index: slot }))) {
      const { tx_packets, tx_bytes, rx_packets, rx_bytes } = trafficRow.decode(value);
      for (const [i, n] of [tx_packets, tx_bytes, rx_packets, rx_bytes].entries()) sums[i]! += n;
    }
    return sums;
  }

  /** Packets of a slot by reason, in the order of the table. */
  tallyOf(slot: number): bigint[] {
    return [...reasons.keys()].map((reason) => {
      const value = this.#map('tally').lookup(tallyKey.encode({ slot, reason }));
      return value ? tallyRow.decode(value).packets : 0n;
    });
  }

  /** The same of all slots, and the host itself. Cost: a call for thousands of counts. */
  tally(): bigint[] {
    const sums = reasons.map(() => 0n);
    for (const [key, value] of this.#map('tally').entries()) {
      const { reason } = tallyKey.decode(key);
      // An agent of a later version may have counted what this one has no name for.
      if (reason < sums.length) sums[reason]! += tallyRow.decode(value).packets;
    }
    return sums;
  }

  /** How full the maps are that fill as rows come. Cost: that of reading `tally`, which the datapath writes itself. */
  fill(): { name: MapName; entries: number; max: number }[] {
    const rows = this.#table.sizes;
    const counted = planned.map((name) => [name, rows.get(name) ?? 0] as const);
    return [...counted, ['tally', this.#map('tally').entries().length] as const]
      .filter(([name]) => !isArray(maps[name]))
      .map(([name, entries]) => ({ name, entries, max: maps[name].max }));
  }

  /** Until when a segment's frames pass here, nanoseconds of CLOCK_MONOTONIC; 0: always. */
  gate(slot: number, until: bigint): void {
    this.#map('gates').update(indexKey.encode({ index: slot }), gateRow.encode({ until }));
  }

  /** The same as it is. */
  gateUntil(slot: number): bigint {
    const row = this.#map('gates').lookup(indexKey.encode({ index: slot }));
    return row ? gateRow.decode(row).until : 0n;
  }

  /** The slot's port is not here, for now: what is said when it comes may be of older UDP flows. */
  awaitPort(slot: number): void {
    for (let place = 0; place <= OLDER_FLOWS; place++) this.#map('older').delete(olderKey.encode({ slot, place }));
  }

  /** It has come here from another host, just now, unless that was said before. */
  portCame(slot: number): void {
    const key = olderKey.encode({ slot, place: OLDER_FLOWS });
    const since = Number(process.hrtime.bigint() / 1_000_000_000n) * OLDER_SECOND;
    if (!this.#map('older').lookup(key)) this.#map('older').update(key, olderRow.encode({ flow: 0, since }));
  }

  /** Sets a slot's counters to zero, forgets what began there, and shuts its gate, for its next owner: a segment listens first. */
  resetCounters(slot: number): void {
    this.onReset(slot);
    this.awaitPort(slot);
    this.gate(slot, 1n);
    this.#map('traffic').zeroPerCpu(indexKey.encode({ index: slot }));
    for (let word = 0; word < BEGUN_WORDS; word++) this.#map('begun').delete(begunKey.encode({ slot, word }));
    for (const reason of reasons.keys()) this.#map('tally').delete(tallyKey.encode({ slot, reason }));
  }

  *#read(): Generator<MapRow> {
    for (const map of planned) for (const [key, value] of this.#map(map).entries()) yield { map, key, value };
  }

  #map = (name: MapName): BpfMap => this.#object.map(name);
}
