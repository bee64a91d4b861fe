import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { type NetworkId, newId } from '../model/ids.ts';
import { GatewayServers } from './gateway-servers.ts';

/** Servers that tell whether they are open; `fails` says whose cannot be opened. */
function serversOf(fails: Set<NetworkId>) {
  const open = new Map<NetworkId, number>();
  const add = (network: NetworkId, by: number) => open.set(network, (open.get(network) ?? 0) + by);
  const servers = new GatewayServers({
    what: 'tests',
    nameOf: () => undefined,
    log: pino({ level: 'silent' }),
    open({ network }) {
      if (fails.has(network)) throw new Error('no socket');
      add(network, 1);
      return { [Symbol.dispose]: () => void add(network, -1) };
    },
  });
  return { servers, open };
}
const place = (network: NetworkId, path = '/proc/self/ns/net') => ({ network, path, addresses: [] });

test('there is one server for each gateway, and none of one that goes', () => {
  const { servers, open } = serversOf(new Set());
  const [a, b] = [newId<NetworkId>(), newId<NetworkId>()];
  servers.gateway(a, place(a));
  servers.gateway(b, place(b));
  servers.gateway(a, place(a));
  assert.deepEqual([open.get(a), open.get(b), servers.status.networks], [1, 1, 2]);
  servers.gateway(a, undefined);
  assert.deepEqual([open.get(a), open.get(b), servers.status.networks], [0, 1, 1]);
  servers[Symbol.dispose]();
  assert.equal(open.get(b), 0);
});

test('what cannot be opened is named, disturbs no other, and is tried again until it can, or its gateway goes', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const [a, b, c] = [newId<NetworkId>(), newId<NetworkId>(), newId<NetworkId>()];
  const fails = new Set([a]);
  const { servers, open } = serversOf(fails);
  servers.gateway(a, place(a));
  servers.gateway(b, place(b));
  servers.gateway(c, place(c, '/proc/self/ns/none'));
  assert.deepEqual([servers.status.networks, servers.status.failed.length], [1, 2]);
  t.mock.timers.tick(1_000);
  assert.deepEqual([open.get(a), servers.status.failed.map((f) => f.network)], [undefined, [a, c]]);
  fails.clear();
  servers.gateway(c, undefined);
  t.mock.timers.tick(1_000);
  assert.deepEqual([open.get(a), servers.status.failed], [1, []]);
  servers[Symbol.dispose]();
});
