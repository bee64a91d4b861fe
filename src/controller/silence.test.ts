import assert from 'node:assert/strict';
import { it } from 'node:test';
import { pino } from 'pino';
import type { Connected } from './presence.ts';
import { Silence } from './silence.ts';
import { openFurnishedApi } from './test-api.ts';
import { assertNoLeak } from './test-claims.ts';

const t = '/v1/tenants/acme';

it('deletes a host that is silent for too long as gone, counted from its last sign or the start', async () => {
  await using api = await openFurnishedApi();
  const { world, presence, writer } = api;
  await api.ok('POST', `${t}/leases`, { network: 'web', host: 'h2', size: 2 });
  const silence = new Silence({ world, presence, writer, silenceMs: 1_000, log: pino({ level: 'silent' }) });
  const h1 = world.find('host', '-', 'h1')!.record.id;
  const connected = { hello: {}, applied: -1n, ports: new Map() } as unknown as Connected;
  const names = () => [...world.host.values()].map(({ record }) => record.name);
  presence.arrive(h1, connected);
  await silence.look(5_000_000); // the first look: nobody was missed before
  await silence.look(5_000_999);
  assert.deepEqual(names(), ['h1', 'h2']);
  await silence.look(5_001_000);
  assert.deepEqual(names(), ['h1']);
  assert.equal(world.lease.size, 0);
  presence.leave(h1, connected);
  await silence.look(5_001_999);
  assert.deepEqual(names(), ['h1']);
  await silence.look(5_002_000);
  assert.deepEqual(names(), []);
  await assertNoLeak(api.store);
});

it('looks by itself', async () => {
  await using api = await openFurnishedApi({ silenceMs: 1 });
  const gone = Promise.withResolvers<void>();
  api.world.listeners.add(() => api.world.host.size === 0 && gone.resolve());
  await gone.promise;
});
