/** The routes that a gateway has of its router: one that the kernel refuses costs none of the others, nor the gateway's device. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setRoutes } from '../../src/gateway/router-side.ts';
import { linkByName } from '../../src/kernel/link.ts';
import { routeList } from '../../src/kernel/route.ts';
import { parseIp } from '../../src/model/address.ts';
import { hasCode } from '../../src/model/errors.ts';
import { scratchNetns } from '../kernel/fixture.ts';

test('a refused route is told, and the others are there', () => {
  using scratch = scratchNetns();
  const { ifindex } = scratch.bridge('tenant');
  scratch.ip('link', 'set', 'tenant', 'up');
  scratch.ip('address', 'add', '10.0.0.1/24', 'dev', 'tenant');
  const routes = [
    ['10.8.0.0/16', '10.5.0.5'], // in none of the link's prefixes
    ['10.9.0.0/16', '10.0.0.5'],
    ['0.0.0.0/0', '10.0.0.5'],
  ].map(([destination = '', via = '']) => ({ destination, via: parseIp(via) }));
  const have = () => routeList(scratch.nl).flatMap((r) => (r.gateway ? [`${r.dst} ${r.gateway}`] : []));
  assert.throws(
    () => setRoutes(scratch.nl, ifindex, routes),
    (e) => hasCode(e, 'KERNEL'),
  );
  assert.deepEqual(have(), ['10.9.0.0/16 10.0.0.5']);
  assert.ok(linkByName(scratch.nl, 'tenant'));
  setRoutes(scratch.nl, ifindex, []);
  assert.deepEqual(have(), []);
});
