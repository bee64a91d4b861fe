import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { pino } from 'pino';
import type { Ip, Mac } from '../../model/address.ts';
import { HeddleError } from '../../model/errors.ts';
import type { PortItem } from '../../model/host-state.ts';
import { type NetworkId, newId, type PortId } from '../../model/ids.ts';
import { notNow } from '../test-refusals.ts';
import { Learner } from './learner.ts';

const machine = '02:00:00:00:00:0a' as Mac;
/** Nothing here takes time: in so many turns it is so, or never. */
async function until(isSo: () => boolean): Promise<void> {
  for (let i = 0; !isSo(); i++) {
    assert.ok(i < 1_000, String(isSo));
    await turn();
  }
}

const [given, free] = ['10.0.0.12', '10.0.0.13'] as Ip[] as [Ip, Ip];

test('a machine does not get an address that its host has just given to a workload, whatever the controller would do', async () => {
  const network = newId<NetworkId>();
  const segment = { id: newId<PortId>(), name: 'plant', network } as unknown as PortItem;
  const created: object[] = [];
  const asked: Ip[][] = [];
  const client = {
    async create(_: string, body: object) {
      assert.equal(asked.length, 1, 'they are kept from others meanwhile');
      created.push(body);
    },
  };
  const nobody = { byMac: () => undefined, byIp: () => undefined, isInside: () => true };
  using learner = new Learner({
    client: client as never,
    known: { ...nobody, learned: new Map(), limit: 10, ageMs: 300_000 },
    asking(owner, of, addresses) {
      assert.deepEqual([owner, of], [machine, network]);
      if (addresses.includes(given)) throw new HeddleError('ADDRESS_TAKEN', { address: given, port: 'container' });
      asked.push([...addresses]);
      return { [Symbol.dispose]: () => void asked.pop() };
    },
    segment: () => ({ port: segment, tenant: 'acme' }),
    send: () => true,
    log: pino({ enabled: false }),
  });
  learner.heard({ mac: machine, ip: given });
  await until(() => learner.status.ignored.refused === 1);
  learner.heard({ mac: machine, ip: free });
  await until(() => created.length > 0);
  await until(() => learner.status.ignored.refused === 1 && asked.length === 0);
  assert.deepEqual(created, [
    { name: 'plant-02000000000a', network, behind: segment.id, mac: machine, addresses: [free], ephemeral: true },
  ]);
  assert.deepEqual(asked, []);
});

test('a machine is asked for until the controller lets this host in, and at once when it is known to', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  for (const [refusal, goOn] of notNow.flatMap(
    (refused) =>
      [
        [refused, () => t.mock.timers.tick(500)],
        [refused, (learner: Learner) => learner.tell()],
      ] as const,
  )) {
    const segment = { id: newId<PortId>(), name: 'plant', network: newId<NetworkId>() } as unknown as PortItem;
    const refusals: Error[] = [refusal];
    let made = 0;
    const client = {
      async create() {
        const now = refusals.pop();
        if (now) throw now;
        made++;
      },
    };
    const nobody = { byMac: () => undefined, byIp: () => undefined, isInside: () => true };
    using learner = new Learner({
      client: client as never,
      known: { ...nobody, learned: new Map(), limit: 10, ageMs: 300_000 },
      asking: () => ({ [Symbol.dispose]: () => undefined }),
      segment: () => ({ port: segment, tenant: 'acme' }),
      send: () => true,
      log: pino({ enabled: false }),
    });
    learner.heard({ mac: machine, ip: free });
    await until(() => learner.refusal !== undefined);
    assert.deepEqual([learner.refusal, learner.isTold], [refusal, false], refusal.code);
    learner.tend();
    for (let i = 0; i < 10; i++) await turn();
    assert.equal(made, 0, 'not as often as somebody looks after it');
    goOn(learner);
    await until(() => made > 0);
    assert.equal(learner.status.ignored.refused, undefined, refusal.code);
  }
});
