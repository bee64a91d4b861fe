import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { reasons } from '../datapath/reasons.ts';
import { DatapathTotals, type SlotTraffic } from './datapath-totals.ts';

/** Counters in memory, as the maps have them. */
class Slots {
  readonly used = new Map<string, number>();
  readonly counts = new Map<number, { traffic: [bigint, bigint, bigint, bigint]; tally: bigint[] }>();
  onReset: (slot: number) => void = () => undefined;

  of(slot: number) {
    const none = { traffic: [0n, 0n, 0n, 0n] as [bigint, bigint, bigint, bigint], tally: reasons.map(() => 0n) };
    const found = this.counts.get(slot) ?? none;
    this.counts.set(slot, found);
    return found;
  }
  slots = () => this.used;
  traffic = (slot: number): SlotTraffic => [...this.of(slot).traffic];
  tallyOf = (slot: number) => [...this.of(slot).tally];
  tally = () => reasons.map((_, i) => [...this.counts.values()].reduce((sum, { tally }) => sum + tally[i]!, 0n));
  pass(slot: number, packets: bigint): void {
    this.of(slot).traffic[0] += packets;
    this.of(slot).tally[1]! += packets;
  }
  attach(slot: number): void {
    this.onReset(slot);
    this.counts.delete(slot);
    this.used.set(`${slot}`, slot);
  }
}

test('totals begin at nothing, count what passes, and never fall when a slot gets another owner', () => {
  const slots = new Slots();
  slots.attach(3);
  slots.pass(3, 100n);
  const totals = new DatapathTotals(slots);
  assert.deepEqual([totals.traffic[0], totals.reasons[1]], [0n, 0n], 'what an earlier agent saw');
  slots.pass(3, 5n);
  assert.deepEqual([totals.traffic[0], totals.reasons[1]], [5n, 5n]);
  slots.attach(3);
  assert.deepEqual([totals.traffic[0], totals.reasons[1]], [5n, 5n], 'of the owner before');
  slots.pass(3, 2n);
  assert.deepEqual([totals.traffic[0], totals.reasons[1]], [7n, 7n]);
});

test('what a slot’s last owner had before this process is not counted when it is reset', () => {
  const slots = new Slots();
  slots.pass(9, 50n);
  const totals = new DatapathTotals(slots);
  slots.attach(9);
  slots.pass(9, 1n);
  assert.deepEqual([totals.traffic[0], totals.reasons[1]], [1n, 1n]);
});

test('whatever comes, totals are what has passed on slots in use since the beginning', () => {
  const step = fc.record({
    slot: fc.integer({ min: 1, max: 4 }),
    packets: fc.bigInt({ min: 0n, max: 9n }),
    attach: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(step), fc.array(step), (before, after) => {
      const slots = new Slots();
      const run = (steps: typeof after) => {
        let passed = 0n;
        for (const { slot, packets, attach } of steps) {
          if (attach || !slots.used.has(`${slot}`)) slots.attach(slot);
          slots.pass(slot, packets);
          passed += packets;
        }
        return passed;
      };
      run(before);
      const totals = new DatapathTotals(slots);
      const passed = run(after);
      assert.deepEqual([totals.traffic[0], totals.reasons[1]], [passed, passed]);
    }),
  );
});
