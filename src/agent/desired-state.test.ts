/** What a pass is given to look at; what it makes of that is in reconciler.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp, parseMac } from '../model/address.ts';
import { type HostItem, type ItemKey, itemKey, type NetworkItem, type PortItem } from '../model/host-state.ts';
import { type HostId, type HostNumber, type NetworkId, newId, type PortId, type Vni } from '../model/ids.ts';
import type { Attachment } from '../model/local-api.ts';
import { DesiredState } from './desired-state.ts';

const host = { id: newId<HostId>() as HostId, number: 1 as HostNumber };
const network: NetworkItem = {
  ...{ kind: 'network', id: newId<NetworkId>() as NetworkId, name: 'n', tenant: 't', vni: 7 as Vni, member: true },
  ...{ sourceNat: false, publishFrom: [], subnets: [{ cidr: '10.0.0.0/24' }] },
};
const portOn = (number: number, n: number): PortItem => ({
  ...{ kind: 'port', id: newId<PortId>() as PortId, name: `p${n}`, dnsNames: [], network: network.id, revision: '1' },
  ...{ mac: parseMac(`02:00:00:00:00:0${n}`), addresses: [parseIp(`10.0.0.${n}`)], publish: [] },
  host: number as HostNumber,
});

/** A desired state that the controller has told of these items, and nothing of which is marked. */
function told(...items: HostItem[]) {
  const attachments = new Map<PortId, Attachment>();
  const all = () => [...attachments.values()];
  const get = (id: PortId) => attachments.get(id);
  const own = { devices: { all: new Map() }, gateways: { present: new Set<NetworkId>() }, attachments: { all, get } };
  const desired = new DesiredState(own, undefined);
  const word = (upserts: HostItem[], deletes: ItemKey[] = [], synced = true) =>
    desired.changes({ type: 'changes', upserts, deletes, revision: '5', synced });
  const again = () => desired.welcome({ type: 'welcome', host });
  again();
  word(items);
  desired.take();
  return { desired, attachments, word, again, marked: () => [...desired.take().keys].sort() };
}
const keysOf = (...items: HostItem[]): ItemKey[] => items.map(itemKey).sort();

test('what is told again as it was marks nothing; a port that is bound otherwise is named', () => {
  const [here, there] = [portOn(1, 1), portOn(2, 2)];
  const w = told(network, here, there);
  assert.deepEqual([w.word([network, here, there]), w.marked()], [[], []]);
  assert.deepEqual(w.word([{ ...there, addresses: [parseIp('10.0.0.9')] }]), []);
  assert.deepEqual(w.marked(), keysOf(there));
  const fresh = portOn(2, 3);
  assert.deepEqual(w.word([{ ...here, standby: 2 as HostNumber }, fresh]), [here.id, fresh.id]);
});

test('with a network all that is on it is marked', () => {
  const [here, there] = [portOn(1, 1), portOn(2, 2)];
  const w = told(network, here, there);
  w.word([{ ...network, sourceNat: true }]);
  assert.deepEqual(w.marked(), keysOf(network, here, there));
});

test('what a snapshot has not named is marked as gone when it is whole, not before', () => {
  const [here, there] = [portOn(1, 1), portOn(2, 2)];
  const w = told(network, here, there);
  w.again();
  w.word([network, here], [], false);
  assert.deepEqual([w.desired.isComing, w.marked(), w.desired.items.all.has(itemKey(there))], [true, [], true]);
  w.word([]);
  assert.deepEqual(
    [w.desired.isComing, w.marked(), w.desired.items.all.has(itemKey(there))],
    [false, keysOf(there), false],
  );
});

test('where the guest of a tap is seen, those behind its port are, and are marked with it', () => {
  const [self, other] = [host.number, 2 as HostNumber];
  const front: PortItem = { ...portOn(self, 1), standby: other };
  const sub: PortItem = { ...portOn(self, 2), standby: other, behind: front.id };
  const w = told(network, front, sub);
  w.attachments.set(front.id, { port: front.id, kind: 'tap', state: 'detaching' } as Attachment);
  w.desired.markPort(front.id);
  assert.deepEqual(w.marked(), keysOf(front, sub));
  for (const item of [front, sub]) assert.equal((w.desired.items.all.get(itemKey(item)) as PortItem).host, other);
});
