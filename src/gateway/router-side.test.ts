import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ip, parseIp } from '../model/address.ts';
import type { NetworkItem, RouterItem } from '../model/host-state.ts';
import type { NetworkId, RouterId, Vni } from '../model/ids.ts';
import { routerSide } from './router-side.ts';
import { WantedSide } from './tenant-side.ts';

const ip = (text: string): Ip => parseIp(text);
const network: NetworkItem = {
  ...{ kind: 'network', id: 'n1' as NetworkId, name: 'n', tenant: 't', vni: 7 as Vni, domain: 9 as Vni },
  ...{ sourceNat: true, publishFrom: [], member: true },
  subnets: [
    { cidr: '10.0.0.0/24', gateway: ip('10.0.0.1'), routed: true },
    { cidr: '10.2.0.0/24', gateway: ip('10.2.0.1') },
    { cidr: 'fd00::/64', gateway: ip('fd00::1'), routed: true },
  ],
};
const on = (id: string, cidr: string, gateway: string) => ({
  ...{ network: id as NetworkId, vni: 7 as Vni, cidr, gateway: ip(gateway) },
});
const router: RouterItem = {
  ...{ kind: 'router', id: 'r1' as RouterId, name: 'r', tenant: 't', domain: 9 as Vni, besides: [] },
  subnets: [
    on('n1', '10.0.0.0/24', '10.0.0.1'),
    on('n1', 'fd00::/64', 'fd00::1'),
    on('n1', '10.2.0.0/24', '10.2.0.1'),
    on('n2', '10.1.0.0/24', '10.1.0.1'),
  ],
  routes: [
    { destination: '10.9.0.0/16', via: ip('10.0.0.5') },
    { destination: '2001:db8::/32', via: ip('fd00::5') },
    { destination: '10.8.0.0/16', via: ip('10.1.0.5') },
    { destination: '192.0.2.0/24' },
    { destination: '10.7.0.0/16', via: ip('10.2.0.5') },
  ],
};

test('a gateway has its router’s other addresses, and routes by next hops in what its network says is joined', () => {
  // The router's item says already that 10.2.0.0/24 is joined, the network's not yet.
  assert.deepEqual(routerSide(network, router), { addresses: ['10.1.0.1'], routes: router.routes.slice(0, 2) });
  assert.deepEqual(routerSide(network, undefined), { addresses: [], routes: [] });
});

test('a gateway has the addresses of its router’s peers, but not of what they show under another prefix', () => {
  const own = { ...on('n2', '10.1.0.0/24', '10.1.0.1'), as: '100.64.0.0/24' };
  const shown = { ...on('n3', '10.3.0.0/24', '10.3.0.1'), peer: true } as const;
  const hidden = { ...on('n4', '10.4.0.0/24', '10.4.0.1'), peer: true, as: '100.64.4.0/24' } as const;
  const { addresses } = routerSide(network, { ...router, routes: [], subnets: [own, shown, hidden] });
  assert.deepEqual(addresses, ['10.1.0.1', '10.3.0.1']);
});

test('what a gateway must be is made once of the same items', () => {
  const wanted = new WantedSide(network, 1450, router);
  assert.ok(wanted.isOf(network, 1450, router));
  assert.ok(!wanted.isOf(network, 1400, router));
  assert.ok(!wanted.isOf({ ...network }, 1450, router));
  assert.ok(!wanted.isOf(network, 1450, undefined));
});
