import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { parseIp, parseMac } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import type { LeaseItem } from '../model/host-state.ts';
import type { LeaseId, NetworkId } from '../model/ids.ts';
import { LeaseBook } from './lease-book.ts';
import { Leases } from './leases.ts';

function scratch() {
  const path = mkdtempSync(join(tmpdir(), 'heddle-leases-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

/** What a host is that has this state and no workload. */
const twins = (state: object) => ({
  attachments: { all: () => [] },
  reconciler: { synced: true, revision: '1', state, items: new Map(), until: async (look: () => unknown) => look() },
  log: pino({ level: 'silent' }),
  thisHost: { name: 'h1', ref: 'h1' },
  connected: () => true,
});

test('a network that was deleted under its users is not asked for, nor spoken of, with every news', async () => {
  const asked: unknown[] = [];
  const warned: unknown[] = [];
  const user = { user: 'docker:x', tenant: 'acme', network: 'web', id: 'n' as NetworkId };
  using leases = new Leases({
    client: {
      async create(_: string, input: { network: string }) {
        asked.push(input.network);
        throw new HeddleError('NOT_FOUND', { kind: 'network', name: input.network });
      },
    },
    book: { networks: () => [], heed: () => {}, isClosing: () => false },
    users: { all: () => [user] },
    reconciler: { synced: true, state: { leases: new Map(), networks: new Map() } },
    log: { warn: (_: object, text: string) => warned.push(text) },
    thisHost: { name: 'h1', ref: 'h1' },
    connected: () => true,
  } as never);
  for (let i = 0; i < 3; i++) {
    leases.heed();
    await leases.tend();
  }
  assert.deepEqual(asked, ['n']);
  assert.equal(warned.length, 1);
});

test('a lease whose size was raised for a burst is cut back once, and not topped up again by that', async () => {
  using directory = scratch();
  const network = { id: 'n' as NetworkId, tenant: 'acme', name: 'web', subnets: [{ cidr: '10.0.0.0/24' }] };
  const leased = (n: number) => ({ ip: parseIp(`10.0.0.${n}`), mac: parseMac('02:00:00:00:00:01') });
  let next = 2;
  let lease = { id: 'l' as LeaseId, network: network.id, size: 28, addresses: [] as ReturnType<typeof leased>[] };
  const fill = (): void => {
    while (lease.addresses.length < lease.size) lease.addresses.push(leased(next++));
  };
  fill();
  let writes = 0;
  const state = {
    networks: new Map([[network.id, network]]),
    get leases() {
      return new Map([[network.id, lease]]) as unknown as ReadonlyMap<NetworkId, LeaseItem>;
    },
  };
  const book = new LeaseBook(directory.path, () => []);
  const shown = () => ({ ...lease, addresses: lease.addresses.map(({ ip }) => ip), revision: '1' });
  using leases = new Leases({
    client: {
      get: async () => shown(),
      async update(_: string, __: string, { size = lease.size, addresses }: { size?: number; addresses: string[] }) {
        writes++;
        lease = { ...lease, size, addresses: lease.addresses.filter(({ ip }) => addresses.includes(ip)) };
        fill();
        book.heed(state.leases);
        return shown();
      },
    },
    book,
    users: { all: () => [{ user: 'u', tenant: 'acme', network: 'web', id: network.id }], has: () => true },
    ...twins(state),
  } as never);
  book.heed(state.leases);
  for (let i = 0; i < 3; i++) await leases.tend();
  assert.deepEqual([lease.addresses.length, lease.size, writes], [16, 8, 1]);
});

test('a lease stays for a moment after its last user, whoever comes meanwhile, and goes then by itself', async (t) => {
  t.mock.timers.enable({ apis: ['Date', 'setTimeout'] });
  using directory = scratch();
  const network = { id: 'n' as NetworkId, tenant: 'acme', name: 'web', subnets: [{ cidr: '10.0.0.0/24' }] };
  const lease = { id: 'l' as LeaseId, network: network.id, size: 8, addresses: [] };
  const state = { networks: new Map([[network.id, network]]), leases: new Map([[network.id, lease]]) };
  let users = 1;
  const gone = Promise.withResolvers<void>();
  using leases = new Leases({
    client: {
      get: async () => ({ ...lease, revision: '1' }),
      async remove() {
        state.leases.clear();
        gone.resolve();
      },
    },
    book: new LeaseBook(directory.path, () => []),
    users: { all: () => [], has: () => users > 0 },
    ...twins(state),
  } as never);
  for (users of [1, 0, 1, 0]) {
    leases.heed();
    await leases.tend();
    t.mock.timers.tick(3_000);
    await leases.tend();
    assert.equal(state.leases.size, 1);
  }
  t.mock.timers.tick(2_000);
  await gone.promise;
});
