/** An attach whose port the controller refuses, with twins of all that it works with. */
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { makeNetns, removeNetns } from '../kernel/netns.ts';
import { parseIp, parseMac } from '../model/address.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import type { NetworkId, PortId } from '../model/ids.ts';
import type { Attachment } from '../model/local-api.ts';
import { Attacher } from './attach.ts';

const netns = join(tmpdir(), `heddle-attach-test-${process.pid}`);
before(() => makeNetns(netns));
after(() => removeNetns(netns));

test('an attach that is undone because its address was refused does not make the address this host’s again', async () => {
  const all = new Map<PortId, Attachment>();
  const network = { id: 'n' as NetworkId, tenant: 'acme', name: 'web', subnets: [] };
  const refused = { code: 'ADDRESS_TAKEN', detail: 'taken', details: { address: '10.0.0.5', port: 'p' } } as const;
  /** The controller is told while the kernel is at work. */
  const asked = Promise.withResolvers<void>();
  const attacher = new Attacher({
    attachments: {
      all: () => [...all.values()],
      netns: () => [...all.values()],
      ifnames: () => new Set(),
      get: (id: PortId) => all.get(id),
      put: (a: Attachment) => all.set(a.port, a),
    },
    reconciler: {
      revision: '1',
      state: { told: new Map() },
      settled: () => asked.promise.then(() => ({ device: 'hd', mtuBytes: 1450 })),
      abandon: () => {},
      touchPort: () => {},
      pass: () => {},
    },
    devices: { left: () => undefined, leftOf: async () => {} },
    users: { hold: () => ({ [Symbol.dispose]: () => {} }) },
    leases: { ready: async () => network, tend: async () => {} },
    allocation: {
      any: async (_: object, __: object, take: (leased: object[]) => object) =>
        take([{ ip: parseIp('10.0.0.5'), mac: parseMac('02:00:00:00:00:05') }]),
    },
    uploads: {
      async tell() {},
      async tellSoon() {
        asked.resolve();
        for (const a of all.values())
          if (a.state === 'attaching') all.set(a.port, { ...a, local: { ...a.local!, refused } } as Attachment);
      },
    },
    thisHost: { name: 'h1', ref: 'h1' },
    connected: () => true,
    leaves: () => false,
  } as never);
  const request = { kind: 'netns', target: netns, tenant: 'acme', network: 'web' } as const;
  await assert.rejects(attacher.attach(request), { code: 'ADDRESS_TAKEN' });
  assert.deepEqual(
    [...all.values()].map((a) => [a.state, a.local?.refused]),
    [['detaching', refused]],
  );
});

test('the address of a tap that is detached is this host’s again only while the controller says that no other has its port', async () => {
  const leased = { ip: parseIp('10.0.0.5'), mac: parseMac('02:00:00:00:00:05') };
  const id = 'p' as PortId;
  /** What is left to give of its record. */
  const left = async (more: { kind?: string; connected?: boolean; confirmed?: string; standby?: number }) => {
    const { kind = 'tap', connected = true, confirmed, standby } = more;
    let record = { port: id, kind, state: 'attached', local: { leased: [leased], confirmed } } as never as Attachment;
    const attacher = new Attacher({
      attachments: { get: () => record, put: (a: Attachment) => (record = a) },
      reconciler: {
        host: { number: 1 },
        state: { told: new Map([[`port/${id}`, { kind: 'port', host: 1, standby }]]) },
        abandon: () => {},
        touchPort: () => {},
        pass: () => {},
      },
      devices: { left: () => undefined },
      leases: { tend: async () => {} },
      uploads: { tell: async () => {}, tellSoon: async () => {} },
      connected: () => connected,
      leaves: () => false,
    } as never);
    await attacher.detach(id);
    return record.local!.leased;
  };
  assert.deepEqual(await left({ confirmed: '5' }), [leased]);
  assert.deepEqual(await left({ confirmed: '5', standby: 2 }), []);
  assert.deepEqual(await left({ confirmed: '5', connected: false }), []);
  // The controller has never heard of it; or it is nothing that moves.
  assert.deepEqual(await left({ connected: false }), [leased]);
  assert.deepEqual(await left({ kind: 'netns', confirmed: '5', connected: false }), [leased]);
});

test('the controller is not asked for an address that a workload of this host has', async () => {
  const asked: string[] = [];
  const network = { id: 'n' as NetworkId, tenant: 'acme', name: 'web', subnets: [] };
  const attacher = new Attacher({
    attachments: { all: () => [], netns: () => [], ifnames: () => new Set(), get: () => undefined },
    devices: { leftOf: async () => {} },
    reconciler: { state: { networks: new Map([[network.id, network]]) } },
    book: {
      asking(...[, , [address]]: [string, NetworkId, string[]]) {
        throw new HeddleError('ADDRESS_TAKEN', { address: address!, port: 'w' });
      },
    },
    client: { create: async () => asked.push('create') },
    thisHost: { name: 'h1', ref: 'h1' },
    leaves: () => false,
  } as never);
  const addresses = ['10.0.0.5'];
  const request = { kind: 'netns', target: netns, tenant: 'acme', network: 'web', addresses } as const;
  await assert.rejects(attacher.attach({ ...request, addresses }), { code: 'ADDRESS_TAKEN' });
  assert.deepEqual(asked, []);
});

test('an attach that waits while its host leaves has no record afterwards', async () => {
  const network = { id: 'n' as NetworkId, tenant: 'acme', name: 'web', subnets: [] };
  let leaves = false;
  const leave = async () => {
    leaves = true;
    return network;
  };
  const attacher = new Attacher({
    attachments: {
      all: () => [],
      ifnames: () => new Set(),
      get: () => undefined,
      put: () => assert.fail('a record nobody removes'),
    },
    devices: { leftOf: async () => {} },
    users: { hold: () => ({ [Symbol.dispose]: () => {} }) },
    client: {
      get: async (kind: string) => (kind === 'port' ? { id: 'p', network: network.id } : await leave()),
    },
    reconciler: { state: { networks: new Map() } },
    leases: { ready: leave },
    allocation: { any: async (_: object, __: object, take: (leased: object[]) => object) => take([]) },
    thisHost: { name: 'h1', ref: 'h1' },
    leaves: () => leaves,
  } as never);
  const request = { kind: 'netns', target: netns, tenant: 'acme', network: 'web' } as const;
  for (const more of [{}, { port: 'p' }]) {
    leaves = false;
    await assert.rejects(attacher.attach({ ...request, ...more }), { code: 'HOST_LEAVES' });
  }
});

test('the owner of taps has as many as the caller may have made for it, and root’s are not counted', async () => {
  const tap = (uid: number | undefined, n: number) => ({ kind: 'tap', port: `${uid}-${n}`, uid, ifname: `tap${n}` });
  const records = [tap(70_001, 1), tap(70_001, 2), tap(70_002, 3), tap(undefined, 4)] as never as Attachment[];
  const made: Attachment[] = [];
  const attacher = new Attacher({
    attachments: { all: () => records, put: (a: Attachment) => made.push(a) },
    reconciler: { state: { told: new Map(), networks: new Map() } },
    devices: { leftOf: async () => {} },
    users: { hold: () => ({ [Symbol.dispose]: () => {} }) },
    leases: { ready: async () => ({ subnets: [] }) },
    allocation: { any: async (_: object, __: object, take: (leased: object[]) => object) => take([]) },
    client: { get: async () => Promise.reject(new HeddleError('NOT_FOUND', { kind: 'port', name: 'vm1' })) },
    book: { asking: () => undefined },
    thisHost: { name: 'h1', ref: 'h1' },
    leaves: () => false,
  } as never);
  const request = { kind: 'tap', tenant: 'acme', network: 'web', owner: 70_001 } as const;
  const limit = { code: 'TAP_LIMIT', message: /user 70001 has 2 taps on this host/ };
  for (const one of [request, { ...request, port: 'vm1' }]) await assert.rejects(attacher.attach(one, 2), limit);
  assert.equal(made.length, 0);
  // One more, or no bound: what fails then is what this test has no twin of.
  for (const most of [3, undefined])
    await assert.rejects(attacher.attach(request, most), (e) => !hasCode(e, 'TAP_LIMIT'));
  assert.equal(made.filter((a) => a.state === 'attaching').length, 2);
});
