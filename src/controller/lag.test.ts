import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Lag } from './lag.ts';

test('a host owes from the first message that it has not applied, until it has applied the last', () => {
  const lag = new Lag();
  assert.equal(lag.ms(5), 0);
  lag.sent(7n, 10);
  lag.sent(8n, 20);
  assert.equal(lag.ms(30), 20);
  lag.applied(6n);
  assert.equal(lag.ms(30), 20);
  lag.applied(7n);
  assert.equal(lag.ms(30), 10);
  lag.applied(8n);
  assert.equal(lag.ms(30), 0);
  lag.sent(9n, 40);
  assert.equal(lag.ms(41), 1, 'what was owed before does not count');
});
