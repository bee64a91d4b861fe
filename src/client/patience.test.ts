import assert from 'node:assert/strict';
import { it } from 'node:test';
import { HeddleError } from '../model/errors.ts';
import { patiently } from './patience.ts';

const limited = (retryAfterMs: number) =>
  new HeddleError('RATE_LIMITED', { what: 'write', perSecond: 1, retryAfterMs });
/** Refuses with these, one after the other, then answers; counts what was asked. */
function server(...refusals: Error[]) {
  let asked = 0;
  return {
    ask: async () => {
      const refusal = refusals[asked++];
      if (refusal) throw refusal;
      return 'answer';
    },
    asked: () => asked,
  };
}

it('repeats what came too soon once, and once only', async () => {
  const once = server(limited(1));
  assert.equal(await patiently(once.ask), 'answer');
  const twice = server(limited(1), limited(2));
  await assert.rejects(patiently(twice.ask), {
    code: 'RATE_LIMITED',
    details: { what: 'write', perSecond: 1, retryAfterMs: 2 },
  });
  assert.deepEqual([once.asked(), twice.asked()], [2, 2]);
});

it('repeats nothing that was refused for another reason, or is to wait for long', async () => {
  const written = new HeddleError('BUSY', { waiting: 8, written: 1 });
  for (const refusal of [new HeddleError('BUSY', { tries: 1 }), written, limited(60_000), limited(Number.NaN)]) {
    const { ask, asked } = server(refusal);
    await assert.rejects(patiently(ask), refusal);
    assert.equal(asked(), 1);
  }
});

it('repeats what found no place to wait for its turn twice, later each time, and what comes too soon meanwhile', async () => {
  for (const details of [{ who: 'user:ci' }, { waiting: 8 }]) {
    const busy = () => new HeddleError('BUSY', details);
    const placed = server(busy(), limited(1), busy());
    assert.equal(await patiently(placed.ask, undefined, [1, 2]), 'answer');
    assert.equal(placed.asked(), 4);
    const full = server(busy(), busy(), busy());
    await assert.rejects(patiently(full.ask, undefined, [1, 2]), { code: 'BUSY', details });
    assert.equal(full.asked(), 3);
  }
});

it('ends its wait with the signal', async () => {
  const { ask, asked } = server(limited(5_000));
  await assert.rejects(patiently(ask, AbortSignal.abort(new Error('enough'))), { message: 'enough' });
  assert.equal(asked(), 1);
});
