import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hex, read16 } from './frames.ts';
import { openDatapath } from './harness.ts';
import { expectModel } from './observe.ts';
import { shoot } from './packets.ts';
import { openRandom } from './random.ts';
import { A, B, type World } from './world.ts';

const PACKETS = Number(process.env.HEDDLE_FUZZ_PACKETS ?? 120_000);
const BATCH = 2000;

/** Newer kernels refuse a test run of a frame that ends inside its IP header; older ones run it. */
const isCutIp = (b: Uint8Array): boolean =>
  (read16(b, 12) === 0x800 && b.length < 34) || (read16(b, 12) === 0x86dd && b.length < 54);

/** With broadcasts in two networks: to devices that are down, to hosts of all kinds, one unknown. */
const withLists = (w: World): World => ({
  ...w,
  lists: [A, B].map((vni) => {
    const devices = w.ports.filter((p) => p.vni === vni);
    // In the second, every other port alone may send.
    return { vni, devices, hosts: [2, 3, 4], ...(vni === B && { senders: devices.filter((_, i) => i % 2 === 0) }) };
  }),
});

test('every one of many thousand broken and whole packets gets the verdict, counts and bytes of the reference model', (t) => {
  using d = openDatapath();
  const world = withLists(d.world);
  d.fill(world);
  const random = openRandom();
  t.diagnostic(`seed ${random.seed}, ${PACKETS} packets; repeat with HEDDLE_SEED=${random.seed}`);
  const expected = new Map<string, number>();
  for (let done = 0; done < PACKETS; done += BATCH) {
    d.inside(() => {
      for (let i = 0; i < BATCH; i++) {
        const { program, frame, ctx } = shoot(random, world, d.strayIfindex);
        if (isCutIp(frame)) continue;
        try {
          const { counts } = expectModel(d, program, frame, ctx, world);
          for (const [slot, reason] of counts)
            expected.set(`${slot} ${reason}`, (expected.get(`${slot} ${reason}`) ?? 0) + 1);
        } catch (cause) {
          throw new Error(
            `seed ${random.seed}, packet ${done + i}: ${program} ${JSON.stringify(ctx)} ${frame.length} bytes ${hex(frame).slice(0, 400)}: ${cause}`,
            { cause },
          );
        }
      }
    });
    // Nothing else was counted, for any port.
    assert.deepEqual(
      Object.fromEntries(d.tally()),
      Object.fromEntries([...d.tally().keys()].map((k) => [k, expected.get(k) ?? 0])),
    );
  }
  t.diagnostic(
    `counts: ${[...expected]
      .sort()
      .map(([k, n]) => `${k} ${n}`)
      .join(', ')}`,
  );
});
