import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Touches } from './touches.ts';

test('what nobody works on keeps its number', async () => {
  const touches = new Touches();
  await touches.during(['a'], async () => undefined);
  const before = touches.of('a', undefined);
  await touches.during(['b'], async () => undefined);
  assert.equal(touches.of('a'), before);
});

test('a thing that ends within a call is forgotten when the last call ends', async () => {
  const touches = new Touches();
  await touches.during(['a'], async () => {
    await touches.during(['a'], async () => touches.forget('a'));
  });
  assert.equal(touches.of('a'), 0);
  await touches.during(['a'], async () => undefined);
  assert.notEqual(touches.of('a'), 0);
});

test('a number changes by a call, and as long as the call is under way', async () => {
  const touches = new Touches();
  const before = touches.of('a');
  const { promise, resolve } = Promise.withResolvers<void>();
  const call = touches.during(['a'], () => promise);
  const during = touches.of('a', 'b');
  assert.notEqual(during, before);
  assert.notEqual(touches.of('a', 'b'), during);
  resolve();
  await call;
  assert.notEqual(touches.of('a', 'b'), during);
  assert.equal(touches.of('a', 'b'), touches.of('b', 'a'));
});
