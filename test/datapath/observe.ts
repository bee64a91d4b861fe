/** Runs a packet and compares everything that can be seen with the model's outcome. */
import assert from 'node:assert/strict';
import { checksum, hex, ip, read16 } from './frames.ts';
import { type Datapath, type ProgramName, verdicts } from './harness.ts';
import { type Context, decide } from './model.ts';
import type { Outcome } from './outcome.ts';
import type { World } from './world.ts';

/** Runs the frame and asserts that verdict, counts and bytes are the expected ones. Returns what came out. */
export function expectOutcome(
  d: Datapath,
  program: ProgramName,
  frame: Uint8Array,
  ctx: Context,
  want: Outcome,
): Uint8Array {
  for (const [slot, reason] of want.counts)
    if (reason === 'service_request' || reason === 'flooded') d.setBuckets(slot, 0n);
  const before = want.counts.map(([slot, reason]) => d.tallied(slot, reason));
  const tx = want.tx && d.traffic(want.tx[0]);
  const rx = want.rx && d.traffic(want.rx[0]);
  const { retval, dataOut } = d.run(program, frame, ctx);
  assert.equal(verdicts.get(retval as 2), want.verdict, `verdict ${retval}, want ${want.verdict}`);
  for (const [i, [slot, reason]] of want.counts.entries())
    assert.equal(d.tallied(slot, reason), before[i]! + 1, `${reason} of slot ${slot} not counted`);
  if (want.tx) {
    const now = d.traffic(want.tx[0]);
    assert.deepEqual([now.txPackets, now.txBytes], [tx!.txPackets + 1, tx!.txBytes + want.tx[1]]);
  }
  if (want.rx) {
    const now = d.traffic(want.rx[0]);
    assert.deepEqual([now.rxPackets, now.rxBytes], [rx!.rxPackets + 1, rx!.rxBytes + want.rx[1]]);
  }
  if (want.frame) expectFrame(d, dataOut, want);
  return dataOut;
}

function expectFrame(d: Datapath, out: Uint8Array, want: Outcome): void {
  if (want.host === undefined) {
    assert.ok(Buffer.from(out).equals(want.frame!), `frame is ${hex(out).slice(0, 400)}`);
    return;
  }
  const vtep = d.world.vteps.find((v) => v.host === want.host)!;
  assert.ok(Buffer.from(out.subarray(50)).equals(want.frame!), `inner frame is ${hex(out.subarray(50)).slice(0, 400)}`);
  assert.equal(hex(out.subarray(30, 34)), hex(ip(vtep.remote)));
  assert.equal(checksum(out.subarray(14, 34)), 0, 'outer IPv4 checksum');
  assert.equal(read16(out, 16), want.outer ? read16(want.outer, 16) : out.length - 14);
  assert.equal((read16(out, 38) + 20) & 0xffff, read16(out, 16));
  if (!want.outer) assert.ok(read16(out, 34) >= 0x8000);
  else assert.deepEqual([out[15], out[22], read16(out, 34)], [want.outer[15], 32, read16(want.outer, 34)]);
  if (want.vni !== undefined) assert.equal(read16(out, 46) * 256 + out[48]!, want.vni);
}

/** As `expectOutcome`, with the model's answer. */
export const expectModel = (
  d: Datapath,
  program: ProgramName,
  frame: Uint8Array,
  ctx: Context = {},
  world: World = d.world,
): Outcome => {
  const want = decide(world, program, frame, ctx);
  expectOutcome(d, program, frame, ctx, want);
  return want;
};
