/** What the controller is told of who announced a shared address, with a twin of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { HeddleError } from '../../model/errors.ts';
import type { AddressId, PortId } from '../../model/ids.ts';
import { notNow } from '../test-refusals.ts';
import { Claims } from './claims.ts';

const [vip, other] = ['vip', 'other'] as AddressId[] as [AddressId, AddressId];
const [lb1, lb2] = ['lb1', 'lb2'] as PortId[] as [PortId, PortId];

function rig(pauseMs: number) {
  const asked: string[] = [];
  const agesMs: number[] = [];
  const refusals: Error[] = [];
  const barred = new Set<PortId>();
  let told = Promise.withResolvers<void>();
  const claims = new Claims({
    client: {
      async update(_: string, address: string, { holder, heardMs }: { holder: string; heardMs: number }) {
        asked.push(`${address} ${holder}`);
        agesMs.push(heardMs);
        const refusal = refusals.shift();
        told.resolve();
        told = Promise.withResolvers<void>();
        if (refusal) throw refusal;
        return {};
      },
    },
    tenantOf: (_: AddressId, port: PortId) => (barred.has(port) ? undefined : 'acme'),
    pauseMs,
    log: pino({ level: 'silent' }),
  } as never);
  const until = async (count: number): Promise<string[]> => {
    const signal = AbortSignal.timeout(20_000);
    const late = new Promise<never>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    while (asked.length < count) await Promise.race([told.promise, late]);
    return asked;
  };
  return { claims, asked, agesMs, refusals, barred, until, [Symbol.dispose]: () => claims[Symbol.dispose]() };
}

test('an address is told of at once, and then no more often than the pause lets it: what was heard last counts', async () => {
  using r = rig(80);
  const began = performance.now();
  r.claims.heard(vip, lb1);
  r.claims.heard(other, lb2);
  await r.until(2);
  for (let n = 0; n < 50; n++) r.claims.heard(vip, n % 2 === 0 ? lb1 : lb2);
  assert.deepEqual(await r.until(3), ['vip lb1', 'other lb2', 'vip lb2']);
  assert.ok(performance.now() - began >= 75, 'a pause between them');
  r.claims.heard(other, lb1);
  assert.deepEqual((await r.until(4)).slice(3), ['other lb1']);
});

test('one that is away is told until it has heard; so is one that does not know the port yet', async () => {
  using r = rig(0);
  r.refusals.push(
    new HeddleError('CONTROLLER_UNREACHABLE', { address: 'unix:/x', problem: 'no' }),
    new HeddleError('NOT_FOUND', { kind: 'port', name: 'lb1' }),
  );
  r.claims.heard(vip, lb1);
  assert.deepEqual(await r.until(3), ['vip lb1', 'vip lb1', 'vip lb1']);
  const [first = 0, second = 0, third = 0] = r.agesMs;
  assert.ok(first < 400 && second >= 400 && third >= second + 400, `it says how old it is: ${r.agesMs}`);
});

test('who announced an address is told until the controller lets this host in', async () => {
  for (const refusal of notNow) {
    using r = rig(0);
    r.refusals.push(refusal);
    r.claims.heard(vip, lb1);
    assert.deepEqual(await r.until(2), ['vip lb1', 'vip lb1'], refusal.code);
  }
});

test('what waits is told at once when the controller listens to this host again', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  using r = rig(0);
  r.refusals.push(new HeddleError('CERTIFICATE_REVOKED', { host: 'h1' }));
  r.claims.heard(vip, lb1);
  await r.until(1);
  r.claims.tell();
  assert.deepEqual(await r.until(2), ['vip lb1', 'vip lb1']);
});

test('what it refuses is not told again, nor what the port may not have any more', async () => {
  using r = rig(0);
  r.refusals.push(new HeddleError('INVALID', { field: 'holder', problem: 'no' }));
  r.claims.heard(vip, lb1);
  await r.until(1);
  r.claims.heard(other, lb2);
  assert.deepEqual(await r.until(2), ['vip lb1', 'other lb2'], 'not with what is told next');
  r.barred.add(lb1);
  r.claims.heard(vip, lb1);
  r.claims.heard(other, lb2);
  assert.deepEqual(await r.until(3), ['vip lb1', 'other lb2', 'other lb2']);
  r.barred.clear();
  r.claims.heard(vip, lb1);
  assert.deepEqual(await r.until(4), ['vip lb1', 'other lb2', 'other lb2', 'vip lb1']);
});
