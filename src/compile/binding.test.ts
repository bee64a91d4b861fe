import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HostId, newId, type PortId } from '../model/ids.ts';
import { bindingOf, hostsOf, memberHosts, swapped } from './binding.ts';

test('the binding of a port is its own, or that of the port that it is behind', () => {
  const [a, b] = [newId<HostId>() as HostId, newId<HostId>() as HostId];
  const [front, gone] = [newId<PortId>() as PortId, newId<PortId>() as PortId];
  const ports = new Map([[front, { record: { host: a, standby: b } }]]);
  assert.deepEqual(bindingOf(ports, { host: b }), { host: b });
  assert.deepEqual(bindingOf(ports, {}), {});
  assert.deepEqual(hostsOf(bindingOf(ports, { behind: front })), [a, b]);
  assert.deepEqual(hostsOf(bindingOf(ports, { behind: gone })), []);
});

test('what a port has come from is a member of its network, and is not where it is wired', () => {
  const [a, b, c] = ['a', 'b', 'c'] as HostId[] as [HostId, HostId, HostId];
  assert.deepEqual(hostsOf({ host: b, origin: a }), [b]);
  assert.deepEqual(memberHosts({ host: b, origin: a }), [b, a]);
  assert.deepEqual(memberHosts({ host: b, standby: a, origin: a }), [b, a]);
  assert.deepEqual(memberHosts({ host: b, standby: c, origin: a }), [b, c, a]);
});

test('a port that moves has come from its host; one that goes back has come from nowhere', () => {
  assert.deepEqual(swapped({ host: 1, standby: 2 }), { host: 2, standby: 1, origin: 1 });
  assert.deepEqual(swapped({ host: 2, standby: 1, origin: 1 }), { host: 1, standby: 2 });
  assert.deepEqual(swapped({ host: 2, standby: 3, origin: 1 }), { host: 3, standby: 2, origin: 2 });
});
