/** The oracle: what a host gets in pieces is at every moment what a compilation from scratch gives. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { compileHost } from '../compile/compile-host.ts';
import { anyEdit } from './any-edit-suite.ts';
import { assertNoLeak } from './test-claims.ts';
import { applyEdit, type Edit } from './test-edits.ts';
import { assertSame, openWithHosts, sorted } from './test-hosts.ts';
import { World } from './world.ts';

/** What chance makes too seldom. */
const rare: Edit[][] = [
  // A lease goes while its host has a port in the network.
  [
    { make: 'lease', network: 'web', host: 'h1', n: 2 },
    { make: 'port', port: 'p1', network: 'web', host: 'h1' },
    { make: 'unlease', network: 'web', host: 'h1' },
  ],
  // A network goes with the leases of several hosts.
  [
    { make: 'lease', network: 'web', host: 'h1', n: 2 },
    { make: 'lease', network: 'web', host: 'h2', n: 2 },
    { make: 'unnetwork', network: 'web' },
  ],
  // A host goes with ports and leases that others know.
  [
    { make: 'lease', network: 'web', host: 'h1', n: 2 },
    { make: 'leased port', port: 'p1', network: 'web', host: 'h2' },
    { make: 'leased port', port: 'p2', network: 'web', host: 'h1' },
    { make: 'port', port: 'p3', network: 'web', host: 'h1' },
    { make: 'gone', host: 'h1' },
  ],
  // A network goes from one router to another, while hosts are members here and there.
  [
    { make: 'port', port: 'p1', network: 'web', host: 'h1' },
    { make: 'port', port: 'p2', network: 'db', host: 'h2' },
    { make: 'port', port: 'p3', network: 'ops', host: 'h3' },
    { make: 'router', router: 'r1', subnets: ['v4', 'db4'], n: 1 },
    { make: 'router', router: 'r2', subnets: ['ops4'], n: 0 },
    { make: 'join', router: 'r1', subnets: ['v4'], n: 2 },
    { make: 'join', router: 'r2', subnets: ['ops4', 'db4'], n: 0 },
    { make: 'bind', port: 'p2', host: 'h3' },
    { make: 'mtu', network: 'db', mtu: 1400 },
    { make: 'unrouter', router: 'r2' },
  ],
  // Peers meet, change what they join, and part, while hosts come and go on both sides.
  [
    { make: 'router', router: 'r1', subnets: ['v4'], n: 0 },
    { make: 'router', router: 'r2', subnets: ['db4'], n: 0 },
    { make: 'router', router: 'r3', subnets: ['ops4'], n: 0 },
    { make: 'port', port: 'p1', network: 'web', host: 'h1' },
    { make: 'port', port: 'p2', network: 'db', host: 'h2' },
    { make: 'peer', router: 'r1', n: 1 },
    { make: 'peer', router: 'r2', n: 2 },
    { make: 'peer', router: 'r3', n: 2 },
    { make: 'port', port: 'p3', network: 'ops', host: 'h3' },
    { make: 'subnet', network: 'db', n: 2 },
    { make: 'join', router: 'r2', subnets: ['s-db-2'], n: 0 },
    { make: 'mtu', network: 'web', mtu: 1400 },
    { make: 'rename', n: 2 },
    { make: 'unport', port: 'p1' },
    { make: 'port', port: 'p4', network: 'web', host: 'h2' },
    { make: 'unport', port: 'p4' },
    { make: 'port', port: 'p4', network: 'web', host: 'h2' },
    { make: 'vtep', host: 'h3', n: 9 },
    { make: 'peer', router: 'r1', n: 0 },
    { make: 'unrouter', router: 'r2' },
  ],
  // A port moves to its standby and back, then a host is gone, then the other one.
  [
    { make: 'port', port: 'p1', network: 'web', host: 'h1' },
    { make: 'port', port: 'p2', network: 'web', host: 'h3' },
    { make: 'stand by', port: 'p1', host: 'h2' },
    { make: 'switch', port: 'p1' },
    { make: 'publish', port: 'p1', n: 1 },
    { make: 'switch', port: 'p1' },
    { make: 'gone', host: 'h1' },
    { make: 'stand by', port: 'p1', host: 'h3' },
    { make: 'bind', port: 'p1', host: null },
    { make: 'gone', host: 'h3' },
  ],
  // What is behind a trunk is where the trunk is, in networks in which nothing else is there.
  [
    { make: 'router', router: 'r1', subnets: ['db4', 'ops4'], n: 0 },
    { make: 'port', port: 'p1', network: 'web', host: 'h1' },
    { make: 'behind', port: 'p2', parent: 'p1', network: 'db', n: 1 },
    { make: 'behind', port: 'p3', parent: 'p1', network: 'ops', n: 4 },
    { make: 'port', port: 'p4', network: 'ops', host: 'h3' },
    { make: 'stand by', port: 'p1', host: 'h2' },
    { make: 'mtu', network: 'db', mtu: 1400 },
    { make: 'switch', port: 'p1' },
    { make: 'gone', host: 'h1' },
    { make: 'loose', port: 'p1' },
    { make: 'bind', port: 'p1', host: 'h3' },
    { make: 'unport', port: 'p2' },
    { make: 'unport', port: 'p1' },
  ],
  // A segment with machines behind it is deleted with them; another loses both its hosts.
  [
    { make: 'port', port: 'p5', network: 'web', host: 'h3' },
    { make: 'segment', port: 'p1', network: 'web', host: 'h1', n: 2 },
    { make: 'behind', port: 'p2', parent: 'p1', network: 'web', n: 3 },
    { make: 'behind', port: 'p3', parent: 'p1', network: 'web', n: 3 },
    { make: 'lease', network: 'web', host: 'h1', n: 3 },
    { make: 'readdress', port: 'p3', n: 2 },
    { make: 'readdress', port: 'p3', n: 3 },
    { make: 'switch', port: 'p1' },
    { make: 'unport', port: 'p1' },
    { make: 'segment', port: 'p1', network: 'db', host: 'h1', n: 2 },
    { make: 'behind', port: 'p2', parent: 'p1', network: 'db', n: 3 },
    { make: 'behind', port: 'p3', parent: 'p1', network: 'db', n: 0 },
    { make: 'gone', host: 'h1' },
    { make: 'gone', host: 'h2' },
  ],
  // The hosts of a segment change places, come and go, while its machines publish, and others see them from a peer's network.
  [
    { make: 'router', router: 'r1', subnets: ['v4'], n: 0 },
    { make: 'router', router: 'r2', subnets: ['db4'], n: 0 },
    { make: 'peer', router: 'r1', n: 1 },
    { make: 'peer', router: 'r2', n: 1 },
    { make: 'port', port: 'p4', network: 'web', host: 'h3' },
    { make: 'segment', port: 'p1', network: 'db', host: 'h1', n: 2 },
    { make: 'behind', port: 'p2', parent: 'p1', network: 'db', n: 3 },
    { make: 'behind', port: 'p3', parent: 'p1', network: 'db', n: 0 },
    { make: 'publish', port: 'p2', n: 1 },
    { make: 'switch', port: 'p1' },
    { make: 'switch', port: 'p1' },
    { make: 'port', port: 'p5', network: 'db', host: 'h3' },
    { make: 'gone', host: 'h1' },
    { make: 'stand by', port: 'p1', host: 'h3' },
    { make: 'switch', port: 'p1' },
    { make: 'loose', port: 'p1' },
    { make: 'bind', port: 'p1', host: 'h1' },
  ],
  // Ports share addresses, of which one has each, comes to another host, and is gone; a peer's hosts see joined ones alone.
  [
    { make: 'share', network: 'web', n: 1 },
    { make: 'port', port: 'p1', network: 'web', host: 'h1' },
    { make: 'hold', port: 'p1', n: 1 },
    { make: 'port', port: 'p2', network: 'web', host: 'h2' },
    { make: 'hold', port: 'p2', n: 1 },
    { make: 'share', network: 'web', n: 2 },
    { make: 'hold', port: 'p2', n: 2 },
    { make: 'router', router: 'r1', subnets: ['v4'], n: 0 },
    { make: 'router', router: 'r2', subnets: ['db4'], n: 0 },
    { make: 'port', port: 'p3', network: 'db', host: 'h3' },
    { make: 'peer', router: 'r1', n: 1 },
    { make: 'peer', router: 'r2', n: 1 },
    { make: 'hold', port: 'p1', n: 2 },
    { make: 'join', router: 'r1', subnets: ['v6'], n: 0 },
    { make: 'bind', port: 'p2', host: 'h3' },
    { make: 'unport', port: 'p2' },
    { make: 'unshare', n: 1 },
    { make: 'unnetwork', network: 'web' },
  ],
  // A host that views networks by one port goes with it, and comes back by a lease.
  [
    { make: 'port', port: 'p1', network: 'web', host: 'h1' },
    { make: 'leased port', port: 'p2', network: 'db', host: 'h2' },
    { make: 'router', router: 'r1', subnets: ['v4', 'v6', 'db4'], n: 1 },
    { make: 'unport', port: 'p1' },
    { make: 'lease', network: 'web', host: 'h1', n: 1 },
    { make: 'join', router: 'r1', subnets: ['v6', 'db4'], n: 0 },
    { make: 'rename', n: 1 },
    { make: 'gone', host: 'h2' },
  ],
];

it('keeps every host at what a compilation from scratch gives, after any edits', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(anyEdit, { maxLength: 30 }), async (edits) => {
      const { api, fakes } = await openWithHosts();
      await using _ = api;
      for (const e of edits) {
        await applyEdit(api, fakes, e);
        await turn();
        for (const [name, fake] of fakes) if (!fake.slow) assertSame(api, name, fake, `after ${JSON.stringify(e)}`);
      }
      for (const [name, fake] of fakes) {
        fake.drain();
        await turn();
        assertSame(api, name, fake, 'in the end');
        for (const m of fake.messages) assert.equal(m.synced, true);
      }
      const fresh = new World();
      await fresh.load(api.store);
      for (const id of api.world.host.keys())
        assert.deepEqual(
          sorted(compileHost(api.world, id)),
          sorted(compileHost(fresh, id)),
          'and so it is when read anew',
        );
      await assertNoLeak(api.store);
    }),
    { numRuns: 50, examples: rare.map((edits) => [edits]) },
  );
});
