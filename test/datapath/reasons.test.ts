import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { reasons } from '../../src/datapath/reasons.ts';
import type { Case, Packet } from './case.ts';
import { cases } from './cases.ts';
import { type Datapath, openDatapath } from './harness.ts';
import type { Context } from './model.ts';
import { expectOutcome } from './observe.ts';
import type { Outcome } from './outcome.ts';

let d: Datapath;
before(() => {
  d = openDatapath();
});
after(() => d[Symbol.dispose]());

function expectPacket(p: Packet, want: Outcome): void {
  const ifindex = p.from === 'stray' ? d.strayIfindex : d.world.ports[p.from ?? 0]!.ifindex;
  const ctx: Context = {
    ...(p.from === undefined && p.program !== 'to_host' ? {} : { ifindex }),
    ...(p.mark ? { mark: p.mark } : {}),
    ...(p.gsoSize ? { gsoSize: p.gsoSize } : {}),
  };
  if (p.exhausted) d.setBuckets(slotOf(p), process.hrtime.bigint() + 10n ** 12n);
  if (p.noVxlan) d.fill({ ...d.world, vxlanIfindex: 0 });
  try {
    d.inside(() => expectOutcome(d, p.program, p.frame, ctx, want));
  } finally {
    if (p.noVxlan) d.fill(d.world);
  }
}
const total = (): number => [...d.tally().values()].reduce((n, x) => n + x, 0);

/** Of what comes from the underlay the host itself counts. */
const slotOf = (p: Packet): number => (p.from === undefined ? 0 : (d.world.ports[Number(p.from)]?.slot ?? 0));

function runCase(c: Case): void {
  expectPacket(c.packet, { verdict: c.verdict, counts: [[c.slot, c.reason]] });
  const gives = c.controlGives ?? { verdict: 'redirect' };
  const counted = total();
  expectPacket(c.control, { verdict: gives.verdict, counts: gives.reason ? [[slotOf(c.control), gives.reason]] : [] });
  assert.equal(total() - counted, gives.reason ? 1 : 0, 'the control was counted as something else');
}

for (const c of cases) test(`${c.reason}: ${c.does}; its control is not`, () => runCase(c));

/** Need real devices: shown by slow-path.test.ts, flood.test.ts and tags.test.ts. */
const elsewhere = new Set(['slow_rx', 'flood_rate', 'flooded', 'flood_received', 'gate_shut']);
test('every drop reason and event has a packet that is counted under it', () => {
  const shown = new Set<string>(cases.map((c) => c.reason));
  assert.deepEqual(
    reasons.map((r) => r.name).filter((name) => !shown.has(name) && !elsewhere.has(name)),
    [],
  );
});

test('only what the datapath has marked passes by the filters of what leaves', () => {
  const { testRun } = d.bpf.program('pass_marked');
  const shortCut = (mark: number) => testRun({ data: new Uint8Array(64), ctx: { mark } }).retval;
  const [TC_ACT_OK, TC_ACT_UNSPEC] = [0, 0xffff_ffff];
  assert.equal(shortCut(0x48656464), TC_ACT_OK);
  for (const mark of [0, 1, 0x48656465, 0x64646548]) assert.equal(shortCut(mark), TC_ACT_UNSPEC);
});
