/** When an integration's port is begun, and when whoever asked for it is answered. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp, parseMac } from '../model/address.ts';
import { HeddleError, hasCode, toProblem } from '../model/errors.ts';
import { type NetworkId, newId } from '../model/ids.ts';
import type { PairAttachment } from '../model/local-api.ts';
import { LocalWorkloads, type WorkloadParts } from './local-workloads.ts';

const network = newId<NetworkId>() as NetworkId;
const ip = parseIp('10.0.0.2');
const mac = parseMac('02:00:0a:00:00:02');
const spec = { owner: 'o', network, addresses: [ip], name: 'p' };

/** Workloads of one port whose pair is up at once; the controller answers when `answer` is called. */
function world() {
  const said: string[] = [];
  let pair: PairAttachment | undefined;
  const word = Promise.withResolvers<void>();
  const put = (a: PairAttachment): void => {
    pair = a;
  };
  const parts = {
    attachments: { pairOf: () => pair, get: () => pair, put },
    reconciler: {
      ...{
        state: { networks: new Map([[network, { id: network, name: 'n', tenant: 't', subnets: [] }]]) },
        revision: '0',
      },
      ...{ touchPort: () => void said.push('touched'), abandon() {}, pass() {} },
      settled: () => Promise.resolve({ device: 'hd', mtuBytes: 1450 }),
    },
    uploads: {
      tell: () => {
        said.push('told');
        return word.promise;
      },
      tellSoon: () => word.promise,
    },
    allocation: { these: async (...all: unknown[]) => (all[3] as (l: unknown) => unknown)([{ ip, mac }]) },
    devices: { all: { has: () => pair?.plug?.state === 'made' }, left: async () => {} },
    book: { reservations: [] },
    leases: { tend: async () => {} },
    thisHost: { name: 'h1', ref: 'h1' },
  };
  const answer = (local: Partial<PairAttachment['local']>): void => {
    pair = { ...pair!, local: { ...pair!.local, ...local } };
    word.resolve();
  };
  return { workloads: new LocalWorkloads(parts as unknown as WorkloadParts), said, answer, pair: () => pair };
}

const quota = new HeddleError('QUOTA_EXCEEDED', { tenant: 't', of: 'ports', limit: 1, used: 1, wanted: 1 });

test('a port is begun and told of when it is made, and plugged in when the controller has taken it', async () => {
  const w = world();
  assert.equal((await w.workloads.addPort(spec)).mac, mac, 'nobody waits for the controller');
  assert.deepEqual([w.said, w.pair()?.plug], [['told', 'touched'], { state: 'making' }]);
  const plugged = w.workloads.plug('o');
  await new Promise(setImmediate);
  assert.equal(w.pair()?.plug?.state, 'making', 'its pair is up, and no workload has it yet');
  w.answer({ confirmed: '7' });
  assert.equal((await plugged).device, 'hd');
  assert.deepEqual(w.pair()?.plug, { state: 'made', mtuBytes: 1450 });
});

test('a port whose place is told later is not begun before it is plugged in', async () => {
  const w = world();
  await w.workloads.addPort({ ...spec, placedLater: true });
  assert.deepEqual([w.said, w.pair()?.plug], [['told', 'touched'], undefined]);
  w.answer({ confirmed: '7' });
  const { peer, inside } = await w.workloads.plug('o', '/nowhere');
  assert.deepEqual([peer.slice(0, 2), inside], ['hp', undefined], 'there is no such place: whoever asked moves it');
  assert.deepEqual(w.pair()?.plug, { state: 'made', mtuBytes: 1450 });
});

test('who plugs a port in is told that the controller refuses it, though its pair was up before', async () => {
  const w = world();
  await w.workloads.addPort(spec);
  const plugged = w.workloads.plug('o');
  await new Promise(setImmediate);
  const { code, detail, details } = toProblem(quota);
  w.answer({ refused: { code, detail, details } });
  await assert.rejects(plugged, (e) => hasCode(e, 'QUOTA_EXCEEDED'));
  assert.equal(w.pair()?.plug, undefined, 'its pair is taken away');
});

test('a MAC that is no address’s is asked for before anything is begun', async () => {
  const w = world();
  const made = w.workloads.addPort({ ...spec, mac: parseMac('02:00:00:00:00:77') });
  await new Promise(setImmediate);
  assert.equal(w.pair()?.plug, undefined);
  w.answer({ confirmed: '7' });
  assert.equal((await made).mac, '02:00:00:00:00:77');
});
