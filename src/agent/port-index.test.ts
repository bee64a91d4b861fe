import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip, Mac } from '../model/address.ts';
import { type NetworkId, newId } from '../model/ids.ts';
import { testPort } from './dns/test-zone.ts';
import { PortIndex } from './port-index.ts';

test('a port that is made with another one’s MAC is found, whichever of the two is told first', () => {
  const network = newId<NetworkId>();
  const [old, fresh] = [testPort('old', [], { network }), testPort('fresh', [], { network })];
  const index = new PortIndex<Mac>(({ mac }) => [mac]);
  index.set(old.id, old);
  index.set(fresh.id, fresh);
  index.set(old.id, undefined);
  assert.equal(index.find(network, fresh.mac), fresh);
  index.set(fresh.id, undefined);
  index.set(old.id, old);
  assert.equal(index.find(network, old.mac), old);
});

test('a port is found by what it has now, in its own network', () => {
  const [network, other] = [newId<NetworkId>(), newId<NetworkId>()];
  const port = testPort('a', ['10.0.0.2', '10.0.0.3'], { network });
  const index = new PortIndex<Ip>(({ addresses }) => addresses);
  index.set(port.id, port);
  const moved = { ...port, addresses: ['10.0.0.4' as Ip] };
  index.set(port.id, moved);
  assert.deepEqual(
    (['10.0.0.2', '10.0.0.3', '10.0.0.4'] as Ip[]).map((ip) => index.find(network, ip)),
    [undefined, undefined, moved],
  );
  assert.equal(index.find(other, '10.0.0.4' as Ip), undefined);
  assert.deepEqual([[...index.of(network)], [...index.of(other)]], [[moved], []]);
  index.set(port.id, undefined);
  assert.deepEqual([...index.of(network)], []);
});
