import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  fdbRow,
  type MapName,
  maps,
  neigh4Key,
  neigh6Key,
  portFlags,
  portRow,
  route4Key,
  route6Key,
  routeActions,
  routeRow,
  vtepFlags,
  vtepRow,
} from '../datapath/layouts.ts';
import { gatewayMac, type Ip, ipText, type Mac, macText, parseIp, parseMac } from '../model/address.ts';
import {
  type HostItem,
  itemKey,
  type NetworkItem,
  type PeerItem,
  type PortItem,
  type RouterItem,
} from '../model/host-state.ts';
import type { HostId, HostNumber, NetworkId, PortId, RouterId, Vni } from '../model/ids.ts';
import type { Facts } from './facts.ts';
import { type MapRow, rowKey } from './map-row.ts';
import { planItem, planRows } from './plan-rows.ts';

const { IP4, IP6, PEER, ROUTED4, ROUTED6, ROUTER } = portFlags;
const ip = (s: string): Ip => parseIp(s);
const network = (n: number): NetworkItem => ({
  kind: 'network',
  id: `n${n}` as NetworkId,
  name: `n${n}`,
  tenant: 't',
  vni: (100 + n) as Vni,
  sourceNat: false,
  publishFrom: [],
  member: true,
  subnets: [{ cidr: '10.0.0.0/24' }],
});
const port = (n: number, host: number, addresses: string[] = [`10.0.0.${n}`], net = 1): PortItem => ({
  kind: 'port',
  id: `p${net}-${n}` as PortId,
  name: `p${net}-${n}`,
  dnsNames: [],
  network: `n${net}` as NetworkId,
  mac: parseMac(`02:00:00:00:${String(net).padStart(2, '0')}:${String(n).padStart(2, '0')}`),
  addresses: addresses.map(ip),
  host: host as HostNumber,
  publish: [],
  revision: '1',
});
const peer = (n: number, vtep = `198.18.0.${n}`): PeerItem => ({
  kind: 'peer',
  id: `h${n}` as HostId,
  name: `h${n}`,
  number: n as HostNumber,
  vtep: ip(vtep),
  mtuBytes: 1500,
});
const facts = (over: Partial<Facts> = {}): Facts => ({
  self: 1 as HostNumber,
  vtep: ip('198.18.0.1'),
  vxlanIfindex: 3,
  udpPort: 4789,
  features: 0,
  underlayMtuBytes: 1500,
  devices: new Map([['p1-1' as PortId, { ifindex: 9, slot: 1, redirectPeer: true }]]),
  gateways: new Map(),
  paths: new Map([
    [
      ip('198.18.0.2'),
      {
        ifindex: 2,
        local: ip('198.18.0.1'),
        mtuBytes: 1500,
        macs: { source: '02:aa:00:00:00:01' as Mac, destination: '02:aa:00:00:00:02' as Mac },
      },
    ],
  ]),
  ...over,
});
const state = (...items: HostItem[]) => new Map(items.map((i) => [itemKey(i), i]));
const withGateways = (n: number, ...gateways: string[]): NetworkItem => ({
  ...network(n),
  subnets: gateways.map((g) => ({ cidr: g.includes(':') ? 'fd00::/64' : '10.0.0.0/24', gateway: ip(g) })),
});
const gatewayDevices = new Map(
  [1, 2, 3].map((n) => [`n${n}` as NetworkId, { ifindex: 50 + n, slot: 0, redirectPeer: true }]),
);
const inMap = (rows: MapRow[], map: MapName) => rows.filter((r) => r.map === map);
const plainRow = (over: Partial<ReturnType<typeof fdbRow.decode>>) => ({
  ...{ ifindex: 0, slot: 0, host: 1, flags: 0, origin: 0, domain: 0, vlan: 0, other: 0, wired: 0 },
  ...over,
});

test('a local port with a device gives a port row, a forwarding row to the device and its addresses', () => {
  const rows = planRows(state(network(1), port(1, 1, ['10.0.0.1', 'fd00::1'])), facts());
  const row = portRow.decode(inMap(rows, 'ports')[0]!.value);
  assert.deepEqual([row.slot, row.vni, row.flags, row.mtu, ...row.ip4], [1, 101, IP4 | IP6 | PEER, 1450, 10, 0, 0, 1]);
  assert.deepEqual(fdbRow.decode(inMap(rows, 'fdb')[0]!.value), plainRow({ ifindex: 9, slot: 1, flags: 1 }));
  assert.equal(inMap(rows, 'neigh4').length, 1);
  assert.equal(inMap(rows, 'neigh6').length, 2, 'its address and its link-local one');
});

test('a local port without a device gives nothing: no packet can be meant for it', () => {
  assert.deepEqual(planItem(port(2, 1), state(network(1), port(2, 1)), facts()), []);
});

test('a remote port gives a forwarding row to its host and no port row', () => {
  const rows = planRows(state(network(1), port(7, 2)), facts());
  assert.deepEqual(fdbRow.decode(inMap(rows, 'fdb')[0]!.value), plainRow({ host: 2 }));
  assert.deepEqual(inMap(rows, 'ports'), []);
  assert.deepEqual([...neigh4Key.decode(inMap(rows, 'neigh4')[0]!.key).ip], [10, 0, 0, 7]);
});

test('a network’s gateway on this host is a router’s port with all its addresses', () => {
  const item = withGateways(1, '10.0.0.254', 'fd00::254');
  const rows = planItem(item, state(item), facts({ gateways: gatewayDevices }));
  const row = portRow.decode(inMap(rows, 'ports')[0]!.value);
  assert.deepEqual(
    [row.slot, row.vni, row.flags, row.mtu, ...row.ip4],
    [0, 101, IP4 | IP6 | ROUTER | PEER, 1450, 10, 0, 0, 254],
  );
  assert.equal(macText(row.mac), gatewayMac);
  assert.deepEqual(fdbRow.decode(inMap(rows, 'fdb')[0]!.value), plainRow({ ifindex: 51, flags: 1 }));
  assert.deepEqual(
    inMap(rows, 'neigh6').map((r) => ipText(neigh6Key.decode(r.key).ip)),
    ['fd00::254', 'fd00:ec2::254', 'fe80::68:67ff:fe00:1'],
  );
  assert.deepEqual(inMap(rows, 'neigh4').length, 2, 'its own and that for metadata');
});

test('without a gateway’s device, or without a gateway’s address, there are no rows', () => {
  assert.deepEqual(planItem(withGateways(1, '10.0.0.254'), state(), facts()), []);
  assert.deepEqual(planItem(network(1), state(), facts({ gateways: gatewayDevices })), []);
});

test('a port of an unknown network gives nothing', () => {
  assert.deepEqual(planItem(port(1, 1), state(port(1, 1)), facts()), []);
});

test('a peer whose next hop is known is fast; its header sum is that of RFC 1071', () => {
  const row = vtepRow.decode(inMap(planRows(state(peer(2)), facts()), 'vteps')[0]!.value);
  assert.equal(row.flags, vtepFlags.VALID | vtepFlags.FAST);
  assert.equal(row.mtu, 1450);
  const words = [0x4500, 0, 0, 0x4000, 0x4011, 0, 0xc612, 0x0001, 0xc612, 0x0002];
  let sum = words.reduce((a, b) => a + b, 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  assert.equal(row.csum, sum);
});

test('a peer without a next hop, or over IPv6, goes through the VXLAN device', () => {
  const slow = vtepRow.decode(inMap(planRows(state(peer(3)), facts()), 'vteps')[0]!.value);
  assert.equal(slow.flags, vtepFlags.VALID);
  const six = vtepRow.decode(inMap(planRows(state(peer(3, 'fd01::3')), facts()), 'vteps')[0]!.value);
  assert.equal(six.flags, vtepFlags.VALID | vtepFlags.IP6);
  assert.equal(six.mtu, 1430, 'the outer IPv6 header is 20 bytes longer');
});

test('the smallest MTU of network, underlay, path and peer holds', () => {
  const small = { ...network(1), mtuBytes: 1400 };
  assert.equal(portRow.decode(inMap(planRows(state(small, port(1, 1)), facts()), 'ports')[0]!.value).mtu, 1400);
  const jumbo = facts({ underlayMtuBytes: 9000 });
  assert.equal(
    vtepRow.decode(inMap(planRows(state(peer(3)), jumbo), 'vteps')[0]!.value).mtu,
    1450,
    'the peer has 1500',
  );
});

const router: RouterItem = {
  kind: 'router',
  id: 'r1' as RouterId,
  name: 'r1',
  tenant: 't',
  domain: 900 as Vni,
  subnets: [
    { network: 'n1' as NetworkId, vni: 101 as Vni, cidr: '10.0.0.0/24', gateway: ip('10.0.0.254') },
    { network: 'n2' as NetworkId, vni: 102 as Vni, mtuBytes: 1400, cidr: 'fd02::/64', gateway: ip('fd02::1') },
  ],
  besides: [],
  routes: [
    { destination: '172.16.0.0/12', via: ip('10.0.0.7') },
    { destination: '2001:db8::/32', via: ip('fd02::7') },
    { destination: '192.0.2.0/24' },
    { destination: '198.51.100.0/24', via: ip('10.9.0.7') },
  ],
};
/** "prefix action vni mtu ip", and " as prefix" if it has another one on the other side; in the order of the plan. */
function routesOf(rows: readonly MapRow[]): string[] {
  const names = new Map<number, string>(Object.entries(routeActions).map(([name, n]) => [n, name]));
  return rows.map(({ map, key, value }) => {
    const { prefixlen, domain, ip: to } = (map === 'routes4' ? route4Key : route6Key).decode(key);
    const { action, vni, mtu, bits, ip: by, as } = routeRow.decode(value);
    assert.equal(domain, router.domain);
    const text = (b: Uint8Array) => ipText(map === 'routes4' ? b.subarray(0, 4) : b);
    const row = [`${text(to)}/${prefixlen - 32}`, names.get(action)];
    const other = bits === 0 ? [] : ['as', `${text(as)}/${bits}`];
    return (vni === 0 ? row : [...row, vni, mtu, text(by), ...other]).join(' ');
  });
}

test('a router gives its subnets, its routes, and its own addresses; what leads to nowhere drops', () => {
  assert.deepEqual(routesOf(planItem(router, state(router), facts())), [
    '10.0.0.0/24 CONNECTED 101 1450 10.0.0.254',
    'fd02::/64 CONNECTED 102 1400 fd02::1',
    '172.16.0.0/12 VIA 101 1450 10.0.0.7',
    '2001:db8::/32 VIA 102 1400 fd02::7',
    '192.0.2.0/24 BLACKHOLE',
    '198.51.100.0/24 BLACKHOLE',
    '10.0.0.254/32 LOCAL',
    'fd02::1/128 LOCAL',
    '169.254.169.254/32 LOCAL',
    'fd00:ec2::254/128 LOCAL',
  ]);
});

test('a subnet that a peer joins is marked so, and no route leads through it', () => {
  const [near, far] = router.subnets;
  const peered: RouterItem = { ...router, subnets: [near!, { ...far!, peer: true }] };
  const rows = routesOf(planItem(peered, state(peered), facts()));
  assert.deepEqual(
    rows.filter((row) => row.includes(' 102 ') || row.startsWith('2001:')),
    ['fd02::/64 PEER 102 1400 fd02::1', '2001:db8::/32 BLACKHOLE'],
  );
});

test('peers of which one shows another prefix are routed there, to all but the gateway, and beside subnets of its own', () => {
  const [near, far] = router.subnets;
  // The peer’s own prefix is one of the router’s networks, which it does not join.
  const theirs = {
    ...near!,
    vni: 103 as Vni,
    cidr: '10.8.0.0/16',
    gateway: ip('10.8.0.1'),
    peer: true,
    as: '100.64.0.0/16',
  } as const;
  const peered: RouterItem = {
    ...{ ...router, routes: [], besides: ['10.8.3.0/24'] },
    subnets: [{ ...near!, as: '100.66.7.0/24' }, { ...far!, peer: true }, theirs],
  };
  const rows = routesOf(planItem(peered, state(peered), facts()));
  assert.deepEqual(
    rows.filter((row) => !/^(169|fd00)/.test(row)),
    [
      '10.0.0.0/24 CONNECTED 101 1450 10.0.0.254 as 100.66.7.0/24',
      'fd02::/64 TRANSLATED 102 1400 fd02::1',
      '100.64.0.0/16 TRANSLATED 103 1450 10.8.0.1 as 10.8.0.0/16',
      '100.64.0.1/32 BLACKHOLE',
      '10.8.3.0/24 LOCAL',
      '10.0.0.254/32 LOCAL',
      'fd02::1/128 LOCAL',
    ],
  );
});

test('subnets of its networks that a router does not join are the gateway’s, before any route; joined ones go first', () => {
  const besides = ['10.0.0.128/25', '172.20.0.0/24', '172.20.0.0/24', 'fd03::/64', '10.0.0.0/8'];
  const more = [
    { destination: '172.20.0.7/32', via: ip('10.0.0.7') },
    { destination: '172.20.0.0/24', via: ip('10.0.0.7') },
    { destination: '172.20.0.0/23', via: ip('10.0.0.7') },
    { destination: '0.0.0.0/0', via: ip('10.0.0.7') },
  ];
  const mixed: RouterItem = { ...router, besides, routes: more };
  assert.deepEqual(routesOf(planItem(mixed, state(mixed), facts())), [
    '10.0.0.0/24 CONNECTED 101 1450 10.0.0.254',
    'fd02::/64 CONNECTED 102 1400 fd02::1',
    '172.20.0.0/23 VIA 101 1450 10.0.0.7',
    '0.0.0.0/0 VIA 101 1450 10.0.0.7',
    '172.20.0.0/24 LOCAL',
    'fd03::/64 LOCAL',
    '10.0.0.0/8 LOCAL',
    '10.0.0.254/32 LOCAL',
    'fd02::1/128 LOCAL',
    '169.254.169.254/32 LOCAL',
    'fd00:ec2::254/128 LOCAL',
  ]);
});

test('a local port has the router’s number if one of its addresses is in a subnet that the router joins', () => {
  const joined: NetworkItem = {
    ...network(1),
    domain: 900 as Vni,
    subnets: [{ cidr: '10.0.0.0/24', routed: true }, { cidr: '10.0.1.0/24' }, { cidr: 'fd00::/64', routed: true }],
  };
  const rowsOf = (addresses: string[]) => {
    const rows = planRows(state(joined, port(1, 1, addresses)), facts());
    const { domain, flags } = portRow.decode(inMap(rows, 'ports')[0]!.value);
    assert.equal(fdbRow.decode(inMap(rows, 'fdb')[0]!.value).domain, domain);
    return [domain, flags & ~PEER];
  };
  assert.deepEqual(rowsOf(['10.0.0.1', 'fd00::1']), [900, IP4 | IP6 | ROUTED4 | ROUTED6]);
  assert.deepEqual(rowsOf(['10.0.1.1', 'fd00::1']), [900, IP4 | IP6 | ROUTED6]);
  assert.deepEqual(rowsOf(['10.0.1.1', '10.0.0.1']), [900, IP4], 'its first address is not routed');
  assert.deepEqual(rowsOf(['10.0.1.1']), [0, IP4]);
});

test('every row has the sizes of its map, no key twice, and the order of items has no meaning', () => {
  const items = fc.uniqueArray(
    fc.oneof(
      fc.integer({ min: 1, max: 3 }).map((n) => withGateways(n, '10.0.0.254', 'fd00::ffff')),
      fc
        .tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 3 }))
        .map(([n, h, net]) => port(n, h, [`10.0.0.${n}`, `fd00::${n}`], net)),
      fc.integer({ min: 2, max: 4 }).map((n) => peer(n)),
      fc.constant(router),
    ),
    { selector: itemKey, maxLength: 40 },
  );
  fc.assert(
    fc.property(items, (list) => {
      const facts1 = facts({ gateways: gatewayDevices });
      const rows = planRows(state(...list), facts1);
      for (const r of rows)
        assert.deepEqual([r.key.length, r.value.length], [maps[r.map].key.size, maps[r.map].value.size]);
      const keys = rows.map((r) => rowKey(r.map, r.key));
      assert.equal(new Set(keys).size, keys.length);
      const reversed = planRows(state(...list.toReversed()), facts1).map((r) => rowKey(r.map, r.key));
      assert.deepEqual(reversed.toSorted(), keys.toSorted());
    }),
  );
});
