import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip } from '../../model/address.ts';
import { Gateways, gatewayPace } from './gateways.ts';

const [a, b] = ['10.0.0.1', 'fd00::1'] as [Ip, Ip];
const { gap, answered, again, most } = gatewayPace;

test('each is asked for twice, and known when it has had time to answer', () => {
  const gateways = new Gateways();
  assert.ok(gateways.areKnown([], 0), 'there is none');
  assert.ok(!gateways.areKnown([a], 0));
  assert.deepEqual(gateways.due([a, b], 0), [a, b]);
  assert.deepEqual(gateways.due([a, b], gap - 1), []);
  assert.deepEqual(gateways.due([a, b], gap), [a, b]);
  assert.deepEqual(gateways.due([a, b], gap + 1), []);
  assert.ok(!gateways.areKnown([a, b], answered));
  assert.ok(gateways.areKnown([a, b], answered + 1));
});

test('a new one, one that was away and all after a while are to be known anew', () => {
  const gateways = new Gateways();
  for (const now of [0, gap, answered + 1]) gateways.due([a], now);
  assert.deepEqual(gateways.due([a, b], 1_000), [b]);
  assert.ok(!gateways.areKnown([a, b], 1_000));
  gateways.due([], 1_001);
  assert.deepEqual(gateways.due([a], 1_002), [a]);
  assert.deepEqual(gateways.due([a], 1_002 + again), [a]);
  assert.ok(!gateways.areKnown([a], 1_002 + again));
  gateways.restart();
  assert.deepEqual(gateways.due([a], 1_003 + again), [a]);
});

test('of many some at a time', () => {
  const many = Array.from({ length: most + 1 }, (_, n) => `10.0.${n}.1` as Ip);
  const gateways = new Gateways();
  assert.equal(gateways.due(many, 0).length, most);
  assert.deepEqual(gateways.due(many, 1), many.slice(most));
});
