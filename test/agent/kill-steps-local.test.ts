/** F4, for what a host decides itself: killed before any step, the old state or the new one. */
import { after, test } from 'node:test';
import { attaching, detaching, killAttaching, killDetaching, Lane } from './kill-lane.ts';

const lanes = await Promise.all([Lane.open(), Lane.open()]);
after(() => Promise.all(lanes.map((lane) => lane[Symbol.asyncDispose]())));

test('an agent killed at any step of an attach with an address of its lease leaves the old state or the new one', async (t) => {
  const killed = await killAttaching(lanes);
  t.diagnostic(`${killed}`);
  killed.include(['write lease', 'rename lease', ...attaching], 40);
});

test('an agent killed at any step of a detach of what it made itself leaves the old state or the new one', async (t) => {
  const killed = await killDetaching(lanes);
  t.diagnostic(`${killed}`);
  killed.include(detaching, 8);
});
