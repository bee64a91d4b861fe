/** F4: an agent killed before any step of giving a lease back gives it back later, and the next attach has another one. */
import { after, test } from 'node:test';
import { Lane } from './kill-lane.ts';
import { killAtAll, type Steps } from './steps.ts';

const lanes = await Promise.all([Lane.open(), Lane.open()]);
after(() => Promise.all(lanes.map((lane) => lane[Symbol.asyncDispose]())));

test('an agent killed while it gives a lease back loses none', async (t) => {
  const visit = async (lane: Lane, steps: Steps) => {
    await lane.attach();
    await lane.detach();
    return lane.survive(steps, lane.leaseEnded);
  };
  // The lease lingers for some seconds, in which the agent looks after other things.
  const killed = await killAtAll(lanes, visit, { only: /lease$|^told$/ });
  t.diagnostic(`${killed}`);
  killed.include(['write lease', 'fsync lease', 'rename lease', 'told', 'remove lease'], 5);
  for (const lane of lanes) {
    await lane.detach();
    await lane.leaseEnded();
    await lane.rig.back('h1', lane.before);
  }
});
