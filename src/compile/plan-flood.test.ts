import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FLOOD_MAX, FLOOD_SENDER, FLOOD_SENDER_TAG, floodFlags, floodKey, floodRow } from '../datapath/layouts.ts';
import { parseIp, parseMac } from '../model/address.ts';
import { type HostItem, itemKey, type NetworkItem, type PortItem } from '../model/host-state.ts';
import type { AddressId, HostNumber, NetworkId, PortId, Vni } from '../model/ids.ts';
import type { Device, Facts } from './facts.ts';
import { planRows } from './plan-rows.ts';

const network: NetworkItem = {
  kind: 'network',
  id: 'n' as NetworkId,
  name: 'n',
  tenant: 't',
  vni: 7 as Vni,
  sourceNat: false,
  publishFrom: [],
  member: true,
  subnets: [{ cidr: '10.0.0.0/24' }],
};
let made = 0;
const port = (id: string, host: number, more: Partial<PortItem> = {}): PortItem => ({
  kind: 'port',
  id: id as PortId,
  name: id,
  dnsNames: [],
  network: network.id,
  mac: parseMac(
    `02:00:00:00:${(++made >> 8).toString(16).padStart(2, '0')}:${(made & 255).toString(16).padStart(2, '0')}`,
  ),
  addresses: [parseIp(`10.0.${made >> 8}.${made & 255}`)],
  host: host as HostNumber,
  publish: [],
  revision: '1',
  ...more,
});
const segment = (id: string, host: number, more: Partial<PortItem> = {}) =>
  port(id, host, { addresses: [], segment: { learn: 10 }, ...more });
const facts = (devices: Record<string, Partial<Device>>): Facts => ({
  self: 1 as HostNumber,
  vtep: parseIp('198.18.0.1'),
  vxlanIfindex: 3,
  udpPort: 4789,
  features: 0,
  underlayMtuBytes: 1500,
  devices: new Map(
    Object.entries(devices).map(([id, d], i) => [
      id as PortId,
      { ifindex: 10 + i, slot: 1 + i, redirectPeer: true, ...d },
    ]),
  ),
  gateways: new Map(),
  paths: new Map(),
});
/** The list, in order, as "device.vlan" or "host n"; "*" marks a segment. */
const listed = (devices: Record<string, Partial<Device>>, ...items: HostItem[]): string[] => {
  const rows = planRows(new Map([network, ...items].map((i) => [itemKey(i), i])), facts(devices));
  const flood = rows.filter((r) => r.map === 'flood');
  assert.deepEqual(
    flood.map((r) => floodKey.decode(r.key)),
    flood.map((_, index) => ({ vni: 7, index })),
  );
  return flood
    .map((r) => floodRow.decode(r.value))
    .map((r) => (r.ifindex ? `${r.ifindex}.${r.vlan}${r.flags === floodFlags.SEGMENT ? '*' : ''}` : `host ${r.host}`));
};

test('a network with a segment has a list: the segment, hosts with segments, own devices, other hosts', () => {
  const items = [
    port('a', 1),
    port('b', 1),
    port('c', 3),
    port('d', 3),
    port('e', 2),
    segment('far', 2),
    segment('s', 1),
  ];
  assert.deepEqual(listed({ a: {}, b: {}, s: { redirectPeer: false, vlan: 120 } }, ...items), [
    '12.120*',
    'host 2',
    '10.0',
    '11.0',
    'host 3',
  ]);
});

test('a network without a segment, and a host without a device in it, have none', () => {
  assert.deepEqual(listed({ a: {} }, port('a', 1), port('b', 2)), []);
  assert.deepEqual(listed({}, port('a', 1), segment('s', 2)), []);
});

test('who is behind a port shares its copy, but for those with a tag of their own', () => {
  const items = [
    segment('s', 1),
    port('m1', 1, { behind: 's' as PortId }),
    port('m2', 1, { behind: 's' as PortId }),
    port('guest', 1),
    port('second', 1, { behind: 'guest' as PortId }),
    port('tagged', 1, { behind: 'guest' as PortId, vlan: 5 }),
  ];
  const devices = { s: { redirectPeer: false, vlan: 120 }, guest: { redirectPeer: false, tap: true } };
  assert.deepEqual(listed(devices, ...items), ['10.120*', '11.0', '11.5']);
});

test('a standby gets nothing: its frames go to the host where the port is', () => {
  const away = { standby: 1 as HostNumber };
  const devices = { a: {}, s: { redirectPeer: false }, guest: { tap: true, redirectPeer: false } };
  const items = [port('a', 1), segment('s', 2, away), port('guest', 3, away)];
  assert.deepEqual(listed(devices, ...items), ['host 2', '10.0', 'host 3']);
});

test('a server’s own port gets nothing: it takes what is for its own addresses alone', () => {
  assert.deepEqual(
    listed({ a: {}, server: { redirectPeer: false } }, port('a', 1), port('server', 1), segment('s', 2)),
    ['host 2', '10.0'],
  );
});

test('a list ends at its limit, and segments are on it', () => {
  const others = Array.from({ length: FLOOD_MAX + 10 }, (_, i) => port(`p${i}`, 2 + i));
  const list = listed({ a: {} }, port('a', 1), ...others, segment('s', FLOOD_MAX + 5));
  assert.equal(list.length, FLOOD_MAX);
  assert.deepEqual(list.slice(0, 3), [`host ${FLOOD_MAX + 5}`, '10.0', 'host 2']);
});

test('a list of ports that share addresses says who may send to it: those, a server’s own port too; with a segment everybody', () => {
  const vip: HostItem = {
    ...{ kind: 'address', id: 'vip' as AddressId, name: 'vip', network: network.id, address: parseIp('10.0.0.200') },
    ports: ['a', 'sub', 'server', 'far'],
  };
  const ports = [
    ...[port('a', 1), port('b', 1), port('server', 1), port('far', 2)],
    port('sub', 1, { behind: 'b' as PortId, vlan: 5 }),
  ];
  const rows = (...more: HostItem[]) => {
    const items = [network, vip, ...ports, ...more].map((i) => [itemKey(i), i] as const);
    const devices = { a: {}, b: { tap: true, redirectPeer: false }, server: { redirectPeer: false } };
    return planRows(new Map(items), facts(devices))
      .filter(({ map }) => map === 'flood')
      .map(({ key, value }) => ({ ...floodKey.decode(key), ...floodRow.decode(value) }));
  };
  const list = rows();
  assert.deepEqual(
    list.map(({ index }) => index),
    [0, 1, 2, ...[1, 3, FLOOD_SENDER_TAG * 5 + 2].map((at) => FLOOD_SENDER + at)],
  );
  assert.ok(list.every(({ flags }) => flags === floodFlags.SHARERS));
  assert.ok(
    rows(segment('s', 2)).every(({ flags, index }) => (flags & floodFlags.SHARERS) === 0 && index < FLOOD_SENDER),
  );
});
