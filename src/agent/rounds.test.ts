/** When what was not done is tried again. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import { HeddleError } from '../model/errors.ts';
import { Rounds } from './rounds.ts';
import { shutOutMs } from './verdict.ts';

test('waits grow to minutes while the host is not let in, and to seconds otherwise, whatever they were before', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const away = new HeddleError('CONTROLLER_UNREACHABLE', { address: 'unix:/x', problem: 'no' });
  let cause: Error = new HeddleError('CERTIFICATE_REVOKED', { host: 'h1' });
  let tried = 0;
  using rounds = new Rounds(
    async () => {
      tried++;
      throw cause;
    },
    pino({ level: 'silent' }),
  );
  /** Whether it is tried again after just so long. */
  const isTriedAfter = async (ms: number): Promise<boolean> => {
    const before = tried;
    t.mock.timers.tick(ms - 1);
    for (let i = 0; i < 10; i++) await turn();
    const tooSoon = tried - before;
    t.mock.timers.tick(1);
    for (let i = 0; i < 10; i++) await turn();
    return tooSoon === 0 && tried === before + 1;
  };
  await rounds.run();
  await turn();
  for (let ms = 500; ms < shutOutMs; ms *= 2) assert.ok(await isTriedAfter(ms), `${ms} ms`);
  cause = away;
  assert.ok(await isTriedAfter(shutOutMs));
  assert.ok(await isTriedAfter(15_000), 'nobody answers, for which seconds are enough');
  assert.ok(await isTriedAfter(15_000));
});
