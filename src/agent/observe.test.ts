import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Exposition } from '../metrics/exposition.ts';
import { observeAgent } from './observe.ts';

test('who scrapes while an answer is made shares it; the controller is told what heddle status says there', async () => {
  let made = 0;
  const metrics = { expose: (into: Exposition) => into.set('heddle_gateways', ++made) };
  const troubles = [{ what: 'outside', text: 'no route' }];
  const parts = { maps: { fill: () => [] } };
  const observed = observeAgent(metrics as never, parts as never, () => ({ troubles }) as never);
  const [one, other] = await Promise.all([observed.metrics(), observed.metrics()]);
  assert.match(one, /^heddle_gateways 1$/m);
  assert.equal(other, one);
  assert.deepEqual(observed.health().troubles, troubles);
});
