import assert from 'node:assert/strict';
import { it } from 'node:test';
import { Floods, floodBounds } from './audit-floods.ts';

const who = (n: number) => ({ kind: 'user', name: `u${n}` }) as const;
const { source, all } = floodBounds;

/** How many of so many refusals of a source are admitted, all at one moment. */
const admitted = (floods: Floods, n: number, count: number): number =>
  Array.from({ length: count }, () => floods.admits(who(n), '192.0.2.1')).filter(Boolean).length;

it('admits so many of one source at once, then so many a second, and as many again after a while', () => {
  let ms = 0;
  const floods = new Floods(() => new Date(ms));
  assert.equal(admitted(floods, 1, 500), source.atOnce);
  ms += 5_000;
  assert.equal(admitted(floods, 1, 500), 5 * source.perSecond);
  ms += (1000 * source.atOnce) / source.perSecond;
  assert.equal(admitted(floods, 1, 500), source.atOnce);
  assert.equal(admitted(floods, 2, 500), source.atOnce, 'another source');
  const nobody = (i: number) => floods.admits({ kind: 'nobody' }, `2001:db8::${i.toString(16)}`);
  const one = Array.from({ length: 500 }, (_, i) => nobody(i)).filter(Boolean);
  assert.equal(one.length, source.atOnce, 'all addresses of an IPv6 /64 are one');
});

it('admits so many of all, from however many sources', () => {
  let ms = 0;
  const floods = new Floods(() => new Date(ms));
  const round = () => Array.from({ length: 5_000 }, (_, n) => admitted(floods, n, 1)).reduce((a, b) => a + b);
  assert.equal(round(), all.atOnce);
  ms += 1_000;
  assert.equal(round(), all.perSecond);
  assert.ok(floods.admits({ kind: 'nobody' }, '192.0.2.1'), 'who is known hides nobody, and the other way round');
  const unrecorded = floods.taken();
  assert.equal(
    unrecorded.reduce((sum, { count }) => sum + count, 0),
    10_000 - all.atOnce - all.perSecond,
  );
  assert.ok(unrecorded.length < 300, 'memory is bounded: the rest counts as one');
  assert.deepEqual(floods.taken(), []);
});

it('goes on when the clock is set back', () => {
  let ms = 3_600_000;
  const floods = new Floods(() => new Date(ms));
  admitted(floods, 1, 500);
  ms = 0;
  assert.equal(admitted(floods, 1, 10), 0);
  ms = 1_000;
  assert.equal(admitted(floods, 1, 10), source.perSecond);
});
