import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  fdbFlags,
  fdbRow,
  indexKey,
  type MapName,
  neigh4Key,
  neighRow,
  placeRow,
  portFlags,
  portRow,
  stationKey,
} from '../datapath/layouts.ts';
import { type Mac, macText, parseIp, parseMac } from '../model/address.ts';
import { type AddressItem, itemKey, type NetworkItem, type PortItem } from '../model/host-state.ts';
import {
  type AddressId,
  type HostNumber,
  type NetworkId,
  PLACE_FIRST,
  type PlaceNumber,
  type PortId,
  type Vni,
} from '../model/ids.ts';
import type { Device, Facts } from './facts.ts';
import type { MapRow } from './map-row.ts';
import { planRows } from './plan-rows.ts';

const self = 1 as HostNumber;
const other = 2 as HostNumber;
const network: NetworkItem = {
  ...{ kind: 'network', id: 'n1' as NetworkId, name: 'n1', tenant: 't', vni: 101 as Vni },
  ...{ sourceNat: false, publishFrom: [], member: true, subnets: [{ cidr: '10.0.0.0/24' }] },
};
const port = (id: string, n: number, more: Partial<PortItem> = {}): PortItem => ({
  ...{ kind: 'port', id: id as PortId, name: id, dnsNames: [], network: network.id, publish: [], revision: '1' },
  ...{ mac: parseMac(`02:00:00:00:00:0${n}`), addresses: [parseIp(`10.0.0.${n}`)], host: self },
  ...more,
});
const tap: Device = { ifindex: 9, slot: 4, redirectPeer: false, tap: true };
const pair: Device = { ifindex: 9, slot: 4, redirectPeer: true };
const factsOf = (devices: Readonly<Record<string, Device>>): Facts => ({
  ...{ self, vtep: parseIp('198.18.0.1'), vxlanIfindex: 3, udpPort: 4789, features: 0, underlayMtuBytes: 1500 },
  ...{ devices: new Map(Object.entries(devices) as [PortId, Device][]), gateways: new Map(), paths: new Map() },
});
/** The rows of ports, on a host with these devices. */
const plan = (devices: Readonly<Record<string, Device>>, ...ports: PortItem[]): MapRow[] =>
  planRows(new Map([network, ...ports].map((item) => [itemKey(item), item])), factsOf(devices));
const inMap = (rows: MapRow[], map: MapName) => rows.filter((r) => r.map === map);
const fdbOf = (rows: MapRow[]) => inMap(rows, 'fdb').map(({ value }) => fdbRow.decode(value));
const neighbours = (rows: MapRow[]) =>
  inMap(rows, 'neigh4').map(({ value }) => {
    const { host, other: standby } = neighRow.decode(value);
    return [host, standby];
  });
const stations = (rows: MapRow[]) =>
  inMap(rows, 'stations').map(({ key, value }) => {
    const { ifindex, vlan, mac } = stationKey.decode(key);
    const row = portRow.decode(value);
    assert.equal(row.vlan, vlan, 'what goes to it has the tag that it is known by');
    return { ifindex, vlan, mac: macText(mac), slot: row.slot, flags: row.flags };
  });
const flagsOf = (rows: MapRow[]) => portRow.decode(inMap(rows, 'ports')[0]!.value).flags;
const none = { ifindex: 0, slot: 0, host: 1, flags: 0, origin: 0, domain: 0, vlan: 0, other: 0, wired: 0 };

test('a port that is here takes what its standby sends on, and every host takes what either of the two sends as it', () => {
  const rows = plan({ web: tap }, port('web', 1, { standby: other }));
  assert.deepEqual(fdbOf(rows), [{ ...none, ifindex: 9, slot: 4, flags: fdbFlags.TAP, other }]);
  assert.deepEqual(neighbours(rows), [[self, other]]);
  assert.equal(flagsOf(rows), portFlags.IP4);
  const elsewhere = plan({}, port('web', 1, { host: other, standby: 3 as HostNumber }));
  assert.deepEqual(fdbOf(elsewhere), [{ ...none, host: other }]);
  assert.deepEqual(neighbours(elsewhere), [[other, 3]]);
});

test('of a network that lowers the MSS every row of its ports says so, wherever they are', () => {
  const items = [{ ...network, mssClamp: true as const }, port('web', 1), port('db', 2, { host: other })];
  const facts = factsOf({ web: tap });
  const rows = planRows(new Map(items.map((item) => [itemKey(item), item])), facts);
  assert.deepEqual(
    fdbOf(rows).map(({ flags }) => flags),
    [fdbFlags.TAP | fdbFlags.CLAMP, fdbFlags.CLAMP],
  );
  assert.equal(flagsOf(rows), portFlags.IP4 | portFlags.CLAMP);
});

test('a port that stands by here is sent on to its host, with a device and without', () => {
  const item = port('web', 1, { host: other, standby: self });
  const wired = plan({ web: tap }, item);
  const flags = fdbFlags.TAP | fdbFlags.RELAY;
  assert.deepEqual(fdbOf(wired), [{ ...none, slot: 4, host: other, flags, wired: 9, origin: other }]);
  assert.equal(flagsOf(wired), portFlags.IP4 | portFlags.STANDBY);
  const bare = plan({}, item);
  assert.deepEqual(fdbOf(bare), [{ ...none, host: other, flags: fdbFlags.RELAY }]);
  assert.deepEqual(inMap(bare, 'ports'), []);
  assert.deepEqual(neighbours(bare), [[other, self]]);
});

const third = 3 as HostNumber;
const originsOf = (rows: MapRow[]) => [
  ...fdbOf(rows).map((row) => row.origin),
  ...inMap(rows, 'ports').map(({ value }) => portRow.decode(value).origin),
];

test('what comes to the host that a port has left goes on, without a device; others send to where it is', () => {
  const moved = { host: other, origin: self };
  for (const standby of [undefined, third])
    assert.deepEqual(fdbOf(plan({}, port('web', 1, { ...moved, ...(standby && { standby }) }))), [
      { ...none, host: other, flags: fdbFlags.RELAY },
    ]);
});

test('a port’s older connections are its origin’s; of one that stands by, its host’s, unless it comes back', () => {
  const from = (more: Partial<PortItem>) => originsOf(plan({ web: tap }, port('web', 1, more)));
  assert.deepEqual(from({}), [0, 0]);
  assert.deepEqual(from({ standby: other }), [0, 0]);
  assert.deepEqual(from({ origin: other }), [other, other]);
  assert.deepEqual(from({ origin: other, standby: third }), [other, other]);
  assert.deepEqual(from({ host: other, standby: self, origin: third }), [other, other]);
  assert.deepEqual(from({ host: other, standby: self, origin: self }), [0, 0]);
});

test('a port that has left this host altogether is another host’s, whatever device is still here', () => {
  assert.deepEqual(fdbOf(plan({ web: tap }, port('web', 1, { host: other }))), [{ ...none, host: other }]);
});

test('ports behind a port are on its device, told apart by tag and MAC', () => {
  const front = port('front', 1);
  const nested = port('nested', 2, { behind: front.id });
  const tagged = port('tagged', 3, { behind: front.id, vlan: 20 });
  const rows = plan({ front: { ...pair, trunk: true } }, front, nested, tagged);
  const flags = portFlags.IP4 | portFlags.TRUNK;
  const peer = flags | portFlags.PEER;
  assert.deepEqual(stations(rows), [
    { ifindex: 9, vlan: 0, mac: '02:00:00:00:00:02', slot: 4, flags: peer },
    { ifindex: 9, vlan: 20, mac: '02:00:00:00:00:03', slot: 4, flags },
  ]);
  assert.equal(flagsOf(rows), peer);
  assert.deepEqual(fdbOf(rows), [
    { ...none, ifindex: 9, slot: 4, flags: fdbFlags.PEER },
    { ...none, ifindex: 9, slot: 4, flags: fdbFlags.PEER },
    { ...none, ifindex: 9, slot: 4, flags: fdbFlags.TAP, vlan: 20 },
  ]);
});

test('a port behind another may have a slot of its own, and is nowhere while that one has no device here', () => {
  const tagged = port('tagged', 3, { behind: 'front' as PortId, vlan: 20 });
  const own = plan({ front: tap, tagged: { ...tap, slot: 5 } }, port('front', 1), tagged);
  assert.deepEqual(
    stations(own).map(({ slot }) => slot),
    [5],
  );
  assert.deepEqual(fdbOf(plan({}, port('front', 1), tagged)), []);
});

test('a port without ports behind it is no trunk', () => {
  assert.equal(flagsOf(plan({ web: pair }, port('web', 1))), portFlags.IP4 | portFlags.PEER);
});

const nic: Device = { ifindex: 7, slot: 6, redirectPeer: false, tap: true, vlan: 30 };
const segment = (more: Partial<PortItem> = {}) => port('lan', 1, { addresses: [], segment: { learn: 10 }, ...more });

test('a segment is a row without a MAC, and nobody can send to it; its machines have its tag', () => {
  const machine = port('machine', 2, { behind: 'lan' as PortId });
  const rows = plan({ lan: nic }, segment(), machine);
  const flags = portFlags.SEGMENT | portFlags.TRUNK | portFlags.IP4;
  assert.deepEqual(stations(rows), [
    { ifindex: 7, vlan: 30, mac: '00:00:00:00:00:00', slot: 6, flags: portFlags.SEGMENT },
    { ifindex: 7, vlan: 30, mac: '02:00:00:00:00:02', slot: 6, flags },
  ]);
  assert.deepEqual(fdbOf(rows), [{ ...none, ifindex: 7, slot: 6, flags: fdbFlags.TAP | fdbFlags.SEGMENT, vlan: 30 }]);
  assert.deepEqual(inMap(rows, 'ports'), []);
  assert.equal(inMap(rows, 'neigh4').length, 1);
});

test('of a segment elsewhere only its machines are known', () => {
  const rows = plan({}, segment({ host: other }), port('machine', 2, { behind: 'lan' as PortId, host: other }));
  assert.deepEqual(fdbOf(rows), [{ ...none, host: other }]);
  assert.deepEqual(inMap(rows, 'stations'), []);
});

test('a segment that stands by takes nothing in, and what is for its machines goes on to the host that does', () => {
  const both = { host: other, standby: self };
  const rows = plan({ lan: nic }, segment(both), port('machine', 2, { behind: 'lan' as PortId, ...both }));
  assert.equal(stations(rows)[0]!.flags, portFlags.SEGMENT | portFlags.STANDBY);
  const flags = fdbFlags.TAP | fdbFlags.SEGMENT | fdbFlags.RELAY;
  assert.deepEqual(fdbOf(rows), [{ ...none, slot: 6, host: other, flags, vlan: 30, wired: 7 }]);
});

const place = (PLACE_FIRST + 5) as PlaceNumber;
const machineAt = (more: Partial<PortItem> = {}) => port('machine', 2, { host: place, ...more });
const placesOf = (rows: MapRow[]) =>
  inMap(rows, 'places').map(({ key, value }) => [indexKey.decode(key).index, placeRow.decode(value)]);

test('where a segment’s machines are, one row says, and theirs are the same on both its hosts, whichever forwards', () => {
  const machine = machineAt({ behind: 'lan' as PortId });
  const [here, there] = [segment({ place, standby: other }), segment({ place, host: other, standby: self })].map(
    (front) => plan({ lan: nic }, front, machine),
  ) as [MapRow[], MapRow[]];
  assert.deepEqual(placesOf(here), [[5, { host: self, other, ifindex: 7 }]]);
  assert.deepEqual(placesOf(there), [[5, { host: other, other: self, ifindex: 0 }]]);
  for (const rows of [here, there]) {
    const flags = fdbFlags.TAP | fdbFlags.SEGMENT | fdbFlags.RELAY;
    assert.deepEqual(fdbOf(rows), [{ ...none, slot: 6, host: place, flags, vlan: 30, wired: 7 }]);
    assert.deepEqual(neighbours(rows), [[place, 0]]);
  }
  const changed = there.filter((row, i) => Buffer.compare(row.value, here[i]!.value) !== 0).map(({ map }) => map);
  assert.deepEqual(changed, ['places', 'stations'], 'the segment’s own two rows');
});

test('other hosts know a segment by its place alone, also those that only see it from a peer’s network', () => {
  const { segment: _, ...seen } = segment({ place, host: other, standby: 3 as HostNumber });
  for (const front of [{ ...seen, segment: { learn: 10 } }, seen]) {
    const rows = plan({}, front, machineAt());
    assert.deepEqual(placesOf(rows), [[5, { host: other, other: 3, ifindex: 0 }]]);
    assert.deepEqual(fdbOf(rows), [{ ...none, host: place }]);
    assert.deepEqual(neighbours(rows), [[place, 0]]);
    assert.deepEqual(inMap(rows, 'stations'), []);
  }
});

test('a machine whose segment has no device here yet is at its place all the same', () => {
  const rows = plan({}, segment({ place }), machineAt({ behind: 'lan' as PortId }));
  assert.deepEqual(placesOf(rows), [[5, { host: self, other: 0, ifindex: 0 }]]);
  assert.deepEqual(fdbOf(rows), [{ ...none, host: place, flags: fdbFlags.RELAY }]);
});

test('no two rows of ports behind ports have the same key, though all have the same MAC', () => {
  const front = port('front', 1);
  const mac = '02:00:00:00:00:01' as Mac;
  const subs = [10, 20].map((vlan) => port(`v${vlan}`, 1, { behind: front.id, vlan, mac }));
  const rows = plan({ front: { ...tap, trunk: true } }, front, ...subs);
  assert.equal(new Set(stations(rows).map(({ vlan }) => vlan)).size, 2);
  assert.deepEqual(
    inMap(rows, 'ports').map(({ key }) => indexKey.decode(key).index),
    [9],
  );
});

test('an address that ports share is where its holder is, while that may have it', () => {
  const vip = (more: Partial<AddressItem>): AddressItem => ({
    ...{ kind: 'address', id: 'a1' as AddressId, name: 'vip', network: network.id, address: parseIp('10.0.0.100') },
    ...{ ports: ['lb1', 'lb2'] },
    ...more,
  });
  const [lb1, lb2] = [port('lb1', 1), port('lb2', 2, { host: other, standby: 3 as HostNumber })];
  const rowOf = (...items: (PortItem | AddressItem)[]) => {
    const state = new Map([network, ...items].map((item) => [itemKey(item), item]));
    const found = planRows(state, factsOf({ lb1: pair })).find(
      (row) => row.map === 'neigh4' && neigh4Key.decode(row.key).ip[3] === 100,
    );
    if (!found) return undefined;
    const { mac, host, other: standby } = neighRow.decode(found.value);
    return [macText(mac), host, standby];
  };
  assert.equal(rowOf(lb1, lb2, vip({})), undefined);
  assert.deepEqual(rowOf(lb1, lb2, vip({ holder: lb1.id })), [lb1.mac, self, 0]);
  assert.deepEqual(rowOf(lb1, lb2, vip({ holder: lb2.id })), [lb2.mac, other, 3]);
  assert.equal(rowOf(lb1, vip({ holder: lb2.id })), undefined, 'it is gone');
  assert.equal(rowOf(lb1, { ...lb2, name: 'db' }, vip({ holder: lb2.id })), undefined, 'it has another name');
  assert.deepEqual(rowOf({ ...lb2, name: '' }, vip({ holder: lb2.id, ports: [] })), [lb2.mac, other, 3]);
});
