import assert from 'node:assert/strict';
import { it } from 'node:test';
import { UnderWay } from './under-way.ts';

/** A write of some keys, which lasts until it is ended; it fails if `fails`, and whoever waits for it hears that. */
function writing(underWay: UnderWay, keys: readonly string[], fails = false) {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const done = underWay.during(keys, () => promise);
  return () => {
    if (!fails) {
      resolve();
      return done;
    }
    const ended = assert.rejects(done, { message: 'of its own' });
    reject(new Error('of its own'));
    return ended;
  };
}

it('knows what a write takes from the moment at which it begins, until it ends, in whatever way', async () => {
  const underWay = new UnderWay();
  const [first, second] = [writing(underWay, ['a']), writing(underWay, ['b'], true)];
  assert.deepEqual(['a', 'b', 'c'].map(underWay.has), [true, true, false]);
  await first();
  assert.deepEqual(['a', 'b'].map(underWay.has), [false, true]);
  await second();
  assert.deepEqual(['a', 'b'].map(underWay.has), [false, false]);
});

it('keeps apart what decides for long and what was written meanwhile, also by whom it found there', async () => {
  const underWay = new UnderWay();
  const before = writing(underWay, ['before']);
  const own = new Set<string>();
  await underWay.apart(own, async () => {
    await before();
    await writing(underWay, ['meanwhile'])();
    own.add('own');
    assert.deepEqual(['before', 'meanwhile', 'own', 'other'].map(underWay.has), [true, true, true, false]);
  });
  assert.deepEqual(['before', 'meanwhile', 'own'].map(underWay.has), [false, false, false]);
  await assert.rejects(underWay.apart(own, () => Promise.reject(new Error('of its own'))));
  assert.equal(underWay.has('own'), false);
});
