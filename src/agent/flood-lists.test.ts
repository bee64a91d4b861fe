/** The oracle: lists kept in pieces are at every moment what planning from scratch gives. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Device, Facts } from '../compile/facts.ts';
import { type MapRow, rowKey } from '../compile/map-row.ts';
import { planFloods } from '../compile/plan-flood.ts';
import { parseIp, parseMac } from '../model/address.ts';
import {
  type AddressItem,
  type HostItem,
  type ItemKey,
  itemKey,
  type NetworkItem,
  type PortItem,
} from '../model/host-state.ts';
import type { AddressId, HostNumber, NetworkId, PortId, Vni } from '../model/ids.ts';
import { FloodLists } from './flood-lists.ts';

const self = 1 as HostNumber;
const networks = [1, 2].map(
  (n): NetworkItem => ({
    kind: 'network',
    id: `n${n}` as NetworkId,
    name: `n${n}`,
    tenant: 't',
    vni: n as Vni,
    sourceNat: false,
    publishFrom: [],
    member: true,
    subnets: [],
  }),
);
/** Seven and eight are behind one: seven with a tag, in the other network. */
const port = (n: number, host: number, segment: boolean): PortItem => ({
  kind: 'port',
  id: `p${n}` as PortId,
  name: `p${n}`,
  dnsNames: [],
  network: `n${n % 3 === 1 && n < 8 ? 1 : 2}` as NetworkId,
  mac: parseMac(`02:00:00:00:00:0${n}`),
  addresses: [],
  host: host as HostNumber,
  publish: [],
  revision: '1',
  ...(segment && n < 7 && { segment: { learn: 1 } }),
  ...(n >= 7 && { behind: 'p2' as PortId, ...(n === 7 && { vlan: 5 }) }),
});
const keyOf = (n: number): ItemKey => itemKey({ kind: 'port', id: `p${n}` as PortId });

/** Shared by some; without them, it is gone. */
const shared = (n: number, ports: readonly number[]): AddressItem => ({
  kind: 'address',
  id: `a${n}` as AddressId,
  name: `a${n}`,
  network: `n${n < 3 ? n : 1}` as NetworkId,
  address: parseIp('10.0.0.9'),
  ports: ports.map((p) => `p${p}`),
});

type Edit =
  | { readonly kind: 'put'; readonly n: number; readonly host: number; readonly segment: boolean }
  | { readonly kind: 'remove' | 'device'; readonly n: number }
  | { readonly kind: 'share'; readonly n: number; readonly ports: readonly number[] }
  | { readonly kind: 'network'; readonly n: number };
const number = fc.integer({ min: 1, max: 8 });
const edits = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constant('put' as const),
      n: number,
      host: fc.integer({ min: 1, max: 3 }),
      segment: fc.boolean(),
    }),
    fc.record({ kind: fc.constantFrom('remove' as const, 'device' as const), n: number }),
    fc.record({
      kind: fc.constant('share' as const),
      n: fc.integer({ min: 1, max: 3 }),
      ports: fc.array(number, { maxLength: 3 }),
    }),
    fc.record({ kind: fc.constant('network' as const), n: fc.integer({ min: 0, max: 1 }) }),
  ),
  { maxLength: 40 },
);

const named = (rows: readonly MapRow[]): string[] =>
  rows.map((r) => `${rowKey(r.map, r.key)} ${Buffer.from(r.value).toString('hex')}`).toSorted();

test('after every edit the lists that were kept are those of a plan from scratch', () => {
  fc.assert(
    fc.property(edits, (list: Edit[]) => {
      const lists = new FloodLists();
      const state = new Map<ItemKey, HostItem>(networks.map((n) => [itemKey(n), n]));
      const kept = new Map<NetworkId, readonly MapRow[]>();
      const here = new Map(networks.map((n) => [n.id, n]));
      let ifindex = 10;
      const device = (n: number): Device => ({ ifindex: ifindex++, slot: n, redirectPeer: true });
      const devices = new Map([1, 2, 3, 4, 5, 6].map((n) => [`p${n}` as PortId, device(n)]));
      const heed = (n: number) => lists.heed(keyOf(n), state.get(keyOf(n)), self);
      for (const edit of list) {
        if (edit.kind === 'put') state.set(keyOf(edit.n), port(edit.n, edit.host, edit.segment));
        if (edit.kind === 'remove') state.delete(keyOf(edit.n));
        if (edit.kind === 'device') {
          const id = `p${edit.n}` as PortId;
          if (!devices.delete(id)) devices.set(id, device(edit.n));
          // Whoever is behind a port is looked at with it.
          if (edit.n === 2) for (const n of [7, 8]) heed(n);
        }
        if (edit.kind === 'network') {
          const network = networks[edit.n]!;
          if (!here.delete(network.id)) here.set(network.id, network);
          if (!state.delete(itemKey(network))) state.set(itemKey(network), network);
          lists.heed(itemKey(network), state.get(itemKey(network)), self);
        } else if (edit.kind === 'share') {
          const item = shared(edit.n, edit.ports);
          if (edit.ports.length > 0) state.set(itemKey(item), item);
          else state.delete(itemKey(item));
          lists.heed(itemKey(item), state.get(itemKey(item)), self);
        } else heed(edit.n);
        const facts = { self, devices } as Partial<Facts> as Facts;
        for (const [id, rows] of lists.take(here, facts)) kept.set(id, rows);
        assert.deepEqual(named([...kept.values()].flat()), named(planFloods(state, facts)));
      }
    }),
    { numRuns: 2500 },
  );
});

test('machines that come behind a segment, and ports of a host that has others, change no list', () => {
  const lists = new FloodLists();
  const facts = { self, devices: new Map() } as Partial<Facts> as Facts;
  const here = new Map(networks.map((n) => [n.id, n]));
  const put = (p: PortItem) => lists.heed(itemKey(p), p, self);
  const taken = () => [...lists.take(here, facts)].map(([id]) => id);
  for (const p of [port(2, 1, true), port(8, 1, false), port(3, 2, false)]) put(p);
  assert.deepEqual(taken(), ['n2']);
  put({ ...port(8, 1, false), id: 'another' as PortId });
  put(port(8, 1, false));
  put(port(6, 2, false));
  lists.heed('port/another', undefined, self);
  assert.deepEqual(taken(), []);
  put(port(2, 1, true));
  assert.deepEqual(taken(), ['n2'], 'its device may be another');
});

test('who has a shared address changes no list, nor do ports of networks that share nothing', () => {
  const lists = new FloodLists();
  const facts = { self, devices: new Map([['p3', { ifindex: 10, slot: 3, redirectPeer: true }]]) } as never;
  const here = new Map(networks.map((n) => [n.id, n]));
  const put = (item: HostItem) => lists.heed(itemKey(item), item, self);
  const taken = () => [...lists.take(here, facts)].map(([id]) => id);
  const vip = shared(2, [2, 3]);
  for (const item of [port(1, 1, false), port(2, 2, false), port(3, 1, false), vip]) put(item);
  assert.deepEqual(taken(), ['n2']);
  put({ ...vip, holder: 'p3' as PortId });
  put(port(1, 1, false));
  put(port(5, 1, false));
  assert.deepEqual(taken(), []);
  put(port(3, 1, false));
  assert.deepEqual(taken(), ['n2'], 'its device may be another');
});
