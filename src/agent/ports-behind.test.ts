import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Device } from '../compile/facts.ts';
import { itemKey, type PortItem } from '../model/host-state.ts';
import { newId, type PortId } from '../model/ids.ts';
import { PortsBehind } from './ports-behind.ts';

const [front, other, one, two] = Array.from({ length: 4 }, () => newId<PortId>()) as [PortId, PortId, PortId, PortId];
const key = (id: PortId) => itemKey({ kind: 'port', id });
const device: Device = { ifindex: 7, slot: 3, redirectPeer: true };

test('what is behind a port is planned anew when its device is another, and not when the port was merely looked at', () => {
  const behind = new Map<PortId, Set<PortId>>([[front, new Set([one, two])]]);
  const devices = new Map<PortId, Device>();
  const items = new Map<PortId, PortItem>();
  const ports = new PortsBehind();
  const follow = (...dirty: PortId[]) =>
    ports.follow(dirty.map(key), {
      behind: (id) => behind.get(id) ?? new Set(),
      device: (id) => devices.get(id),
      item: (id) => items.get(id),
    });
  const both = [key(one), key(two)];
  assert.deepEqual(follow(front, other), both, 'nothing was planned yet');
  assert.deepEqual(follow(front, other), []);
  devices.set(front, device);
  assert.deepEqual(follow(other), []);
  assert.deepEqual(follow(front), both);
  devices.set(front, { ...device, trunk: true });
  assert.deepEqual(follow(front), [], 'of no meaning to them');
  for (const changed of [{ ifindex: 8 }, { slot: 4 }, { vlan: 120 }]) {
    devices.set(front, { ...device, ...changed });
    assert.deepEqual(follow(front), both, JSON.stringify(changed));
  }
  items.set(front, { segment: { learn: 0 } } as PortItem);
  assert.deepEqual(follow(front), both, 'it has become a segment');
  devices.delete(front);
  assert.deepEqual(follow(front), both, 'its device goes');
  // One that has nobody behind it is forgotten: with the next one it begins anew.
  behind.delete(front);
  assert.deepEqual(follow(front), []);
  behind.set(front, new Set([two]));
  assert.deepEqual(follow(front), [key(two)]);
});
