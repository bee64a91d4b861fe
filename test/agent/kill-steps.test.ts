/** F4: an agent killed before any step of an attach or a detach leaves, after its restart, the old state or the new one. */
import { after, test } from 'node:test';
import { attaching, detaching, killAttaching, killDetaching, Lane } from './kill-lane.ts';

const lanes = await Promise.all([Lane.open('victim'), Lane.open('victim')]);
after(() => Promise.all(lanes.map((lane) => lane[Symbol.asyncDispose]())));

test('an agent killed at any step of an attach leaves the old state or the new one', async (t) => {
  const killed = await killAttaching(lanes);
  t.diagnostic(`${killed}`);
  killed.include(attaching, 40);
});

test('an agent killed at any step of a detach leaves the old state or the new one', async (t) => {
  const killed = await killDetaching(lanes);
  t.diagnostic(`${killed}`);
  killed.include(detaching, 8);
});
