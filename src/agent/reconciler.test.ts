/** The order of what a pass does, with twins in memory in place of the kernel's devices and maps. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import type { MapRow } from '../compile/map-row.ts';
import { parseIp, parseMac } from '../model/address.ts';
import { HeddleError } from '../model/errors.ts';
import {
  type AddressItem,
  type Changes,
  type HostItem,
  type ItemKey,
  itemKey,
  type LeaseItem,
  type NetworkItem,
  type PeerItem,
  type PortItem,
  type RouterItem,
} from '../model/host-state.ts';
import {
  type AddressId,
  type HostId,
  type HostNumber,
  type LeaseId,
  type NetworkId,
  newId,
  type PortId,
  type RouterId,
  type Vni,
} from '../model/ids.ts';
import type { Attachment } from '../model/local-api.ts';
import { type Parts, Reconciler } from './reconciler.ts';
import { RowTable } from './row-table.ts';

const host = { id: newId<HostId>() as HostId, number: 1 as HostNumber };
const network: NetworkItem = {
  kind: 'network',
  id: newId<NetworkId>() as NetworkId,
  name: 'n',
  tenant: 't',
  vni: 7 as Vni,
  sourceNat: false,
  publishFrom: [],
  member: true,
  subnets: [{ cidr: '10.0.0.0/24' }],
};
const peer: PeerItem = {
  kind: 'peer',
  id: newId<HostId>() as HostId,
  name: 'h2',
  number: 2 as HostNumber,
  vtep: parseIp('198.18.0.2'),
  mtuBytes: 1500,
};
const portOn = (number: number, n: number): PortItem => ({
  kind: 'port',
  id: newId<PortId>() as PortId,
  name: `p${n}`,
  dnsNames: [],
  network: network.id,
  mac: parseMac(`02:00:00:00:00:0${n}`),
  addresses: [parseIp(`10.0.0.${n}`)],
  host: number as HostNumber,
  publish: [],
  revision: '1',
});
const attachmentOf = (port: PortItem, state: Attachment['state'] = 'attached'): Attachment => ({
  port: port.id,
  tenant: 't',
  network: 'n',
  name: 'p',
  kind: 'netns',
  target: { path: '/run/netns/x', identity: '1' },
  ifname: 'eth0',
  owned: true,
  state,
});

/** A reconciler on twins; `log` is what was done to the kernel, in order. */
function world(existing: readonly MapRow[] = []) {
  const log: string[] = [];
  const table = new RowTable();
  table.adopt(existing);
  const devices = new Map<
    PortId,
    { ifindex: number; slot: number; redirectPeer: boolean; name: string; mtuBytes: number }
  >();
  const attachments = new Map<PortId, Attachment>();
  const underlay = {
    facts: {
      vtep: parseIp('198.18.0.1'),
      udpPort: 4789,
      features: 0,
      vxlanIfindex: 3,
      underlayMtuBytes: 1500,
      paths: new Map(),
    },
    resolve: () => true,
  };
  let failing: unknown;
  const leaving = new Map<PortId, Promise<void>>();
  const gateways: string[] = [];
  const full = new Set<string>();
  const twins = {
    log: pino({ level: 'silent' }),
    underlay,
    attachments: {
      get: (id: PortId) => attachments.get(id),
      all: () => [...attachments.values()],
      remove: (id: PortId) => attachments.delete(id),
    },
    devices: {
      all: devices,
      ensure({ port, mtuBytes }: { port: PortItem; mtuBytes: number }) {
        if (failing) throw failing;
        if (!devices.has(port.id)) log.push('device');
        const name = `hd${port.addresses[0]}`;
        devices.set(port.id, { ...devices.get(port.id), ifindex: 9, slot: 1, redirectPeer: true, name, mtuBytes });
        return { name };
      },
      trunk: () => undefined,
      remove(id: PortId) {
        if (devices.delete(id)) log.push('device away');
      },
      left: (id: PortId) => leaving.get(id),
      leaveServers: () => undefined,
      get leaving() {
        return leaving.values().next().value;
      },
    },
    gateways: {
      devices: new Map(),
      present: new Set(),
      ensure({ name }: NetworkItem, _: number, router?: RouterItem) {
        gateways.push(router ? `${name} of ${router.name}, ${router.routes.length} routes` : name);
        return true;
      },
      mayHave: () => true,
      remove: (id: NetworkId) => gateways.push(`not ${id}`),
      suspect: () => 0,
      outside: { publish: () => undefined, withdraw: () => undefined, whole: () => undefined },
    },
    maps: {
      state: table.state.bind(table),
      apply: (options: { whole: boolean }) =>
        table.apply(
          {
            put({ map }) {
              if (full.has(map)) throw new HeddleError('KERNEL_MAP_FULL', { map, limit: 1 });
              log.push(`${map} row`);
            },
            remove: (map) => log.push(`${map} row away`),
          },
          options,
        ),
    },
  };
  const reconciler = new Reconciler(twins as unknown as Parts, undefined);
  const reports: unknown[] = [];
  reconciler.onPass = ({ revision, ports }) =>
    reports.push([revision, ...ports.map((p) => `${p.condition} ${p.code ?? p.device}`)]);
  return {
    reconciler,
    log,
    reports,
    attachments,
    devices,
    leaving,
    underlay,
    /** Names of maps that take no more rows. */
    full,
    fail: (cause: unknown) => {
      failing = cause;
    },
    /** A whole snapshot, or with `synced` false its first part. */
    snapshot(items: HostItem[], revision: string, synced = true) {
      reconciler.welcome({ type: 'welcome', host });
      reconciler.changes({ type: 'changes', upserts: items, deletes: [], revision, synced });
      reconciler.pass();
    },
    /** Gateways that were made sure of, or removed, since the last look. */
    gateways: () => gateways.splice(0),
    change(upserts: HostItem[], deletes: ItemKey[], revision: string) {
      reconciler.changes({ type: 'changes', upserts, deletes, revision, synced: true });
      reconciler.pass();
    },
    /** What was done since the last look. */
    done: () => log.splice(0),
  };
}

const orphan: MapRow = { map: 'fdb', key: new Uint8Array(12), value: new Uint8Array(16) };

test('a device is made before its rows, and goes after them', () => {
  const w = world();
  const port = portOn(1, 1);
  w.attachments.set(port.id, attachmentOf(port));
  w.snapshot([network, port], '5');
  assert.deepEqual(w.done(), ['device', 'config row', 'neigh4 row', 'fdb row', 'ports row']);
  assert.deepEqual(w.reports, [['5', 'up hd10.0.0.1']]);
  w.attachments.set(port.id, attachmentOf(port, 'detaching'));
  w.reconciler.touchPort(port.id);
  w.reconciler.pass();
  assert.deepEqual(w.done(), ['neigh4 row away', 'fdb row away', 'ports row away', 'device away']);
});

test('an address that ports share goes with its holder, whoever comes first, and to another one by its own item', () => {
  const w = world();
  const [one, two] = [portOn(1, 1), portOn(2, 2)];
  const vip: AddressItem = {
    ...{ kind: 'address', id: newId<AddressId>() as AddressId, name: 'vip', network: network.id, holder: two.id },
    ...{ address: parseIp('10.0.0.100'), ports: [one.name, two.name] },
  };
  const rows = () => w.done().sort();
  w.snapshot([vip], '5');
  w.change([network, peer], [], '6');
  w.done();
  w.change([two], [], '7');
  assert.deepEqual(rows(), ['fdb row', 'neigh4 row', 'neigh4 row']);
  w.change([{ ...two, host: 3 as HostNumber }], [], '8');
  assert.deepEqual(rows(), ['fdb row', 'neigh4 row', 'neigh4 row']);
  w.change([{ ...one, host: 2 as HostNumber }], [], '9');
  assert.deepEqual(rows(), ['fdb row', 'neigh4 row']);
  w.change([{ ...vip, holder: one.id }], [], '10');
  assert.deepEqual(rows(), ['neigh4 row']);
  w.change([], [itemKey(one)], '11');
  assert.deepEqual(rows(), ['fdb row away', 'neigh4 row away', 'neigh4 row away']);
  w.change([vip], [itemKey(two)], '12');
  assert.deepEqual(rows(), ['fdb row away', 'neigh4 row away']);
});

test('nothing that is there is removed before the first whole state', () => {
  const w = world([orphan]);
  const port = portOn(1, 1);
  w.devices.set(port.id, { ifindex: 9, slot: 1, redirectPeer: true, name: 'hd', mtuBytes: 1450 });
  w.snapshot([network], '5', false);
  assert.deepEqual(w.done(), ['config row']);
  assert.deepEqual(w.reports, []);
  w.change([], [], '5');
  assert.deepEqual(w.done(), ['fdb row away', 'device away']);
});

test('of many ports elsewhere a pass takes some, and all of its own; nothing is removed, and no revision counts, until the last', async () => {
  const w = world([orphan]);
  const own = portOn(1, 1);
  w.attachments.set(own.id, attachmentOf(own));
  const far = Array.from({ length: 2_500 }, (_, n) => {
    const [a, b] = [n >> 8, n & 255];
    const mac = parseMac(`02:00:00:01:${[a, b].map((x) => x.toString(16).padStart(2, '0')).join(':')}`);
    return { ...portOn(2, 2), mac, addresses: [parseIp(`10.1.${a}.${b}`)] };
  });
  w.snapshot([network, ...far, own], '5');
  const first = w.done();
  assert.equal(first[0], 'device');
  assert.equal(first.filter((row) => row === 'fdb row').length, 1_001);
  assert.deepEqual(w.reports, [['0', 'up hd10.0.0.1']]);
  const turns: string[][] = [];
  for (; w.reports.length < 2; turns.push(w.done())) await new Promise(setImmediate);
  assert.ok(turns.slice(0, -1).every((turn) => !turn.includes('fdb row away')));
  assert.ok(turns.at(-1)!.includes('fdb row away'));
  assert.equal(turns.flat().filter((row) => row === 'fdb row').length, 1_500);
  assert.deepEqual(w.reports.at(-1), ['5']);
});

test('what a new snapshot does not name is gone, also an attachment whose port was deleted meanwhile', () => {
  const w = world();
  const [local, remote] = [portOn(1, 1), portOn(2, 2)];
  w.attachments.set(local.id, attachmentOf(local));
  w.snapshot([network, local, remote, peer], '5');
  w.done();
  w.snapshot([network], '9');
  assert.deepEqual(w.done().sort(), [
    'device away',
    'fdb row away',
    'fdb row away',
    'neigh4 row away',
    'neigh4 row away',
    'peers row away',
    'ports row away',
    'vteps row away',
  ]);
  assert.equal(w.attachments.size, 0);
});

test('a network that is only viewed has rows and no gateway; gateways follow their router', () => {
  const w = world();
  const here: NetworkItem = { ...network, domain: 9 as Vni, subnets: [{ cidr: '10.0.0.0/24', routed: true }] };
  const there: NetworkItem = { ...here, id: newId<NetworkId>() as NetworkId, name: 'm', vni: 8 as Vni, member: false };
  const router: RouterItem = {
    ...{ kind: 'router', id: newId<RouterId>() as RouterId, name: 'r', tenant: 't', domain: 9 as Vni },
    subnets: [{ network: here.id, vni: here.vni, cidr: '10.0.0.0/24', gateway: parseIp('10.0.0.1') }],
    besides: [],
    routes: [],
  };
  w.snapshot([here, there, router, { ...portOn(2, 2), network: there.id }], '5');
  assert.deepEqual(w.gateways(), ['n of r, 0 routes', `not ${there.id}`]);
  assert.deepEqual(
    w.done().filter((row) => row.startsWith('fdb') || row.startsWith('routes4')),
    ['routes4 row', 'routes4 row', 'routes4 row', 'fdb row'],
    'a subnet, the router’s address, metadata',
  );
  w.change([{ ...router, routes: [{ destination: '192.0.2.0/24' }] }], [], '6');
  assert.deepEqual([w.gateways(), w.done()], [['n of r, 1 routes'], ['routes4 row']]);
  w.change([], [`router/${router.id}`], '7');
  assert.deepEqual(w.gateways(), ['n']);
  assert.equal(w.done().filter((row) => row === 'routes4 row away').length, 4);
});

test('a router’s change or end is looked at by its own networks’ gateways only, and a newer item outlives an older one’s end', () => {
  const w = world();
  const mine: NetworkItem = { ...network, domain: 9 as Vni };
  const other: NetworkItem = { ...network, id: newId<NetworkId>() as NetworkId, name: 'm', domain: 8 as Vni };
  const [r, s] = ([9, 8] as Vni[]).map(
    (domain): RouterItem => ({
      ...{ kind: 'router', id: newId<RouterId>() as RouterId, name: `r${domain}`, tenant: 't', domain },
      ...{ subnets: [], besides: [], routes: [] },
    }),
  ) as [RouterItem, RouterItem];
  w.snapshot([mine, other, r, s], '5');
  w.gateways();
  w.change([{ ...r, routes: [{ destination: '192.0.2.0/24' }] }], [], '6');
  assert.deepEqual(w.gateways(), ['n of r9, 1 routes']);
  // The number came to another router before the first one's end is told.
  w.change([{ ...s, id: newId<RouterId>() as RouterId, name: 'next' }], [`router/${s.id}`], '7');
  assert.deepEqual(w.gateways(), ['m of next, 0 routes']);
  w.change([], [`router/${r.id}`], '8');
  assert.deepEqual(w.gateways(), ['n']);
  // The same of leases, and a snapshot that repeats what is known leaves it the same object.
  const lease: LeaseItem = { kind: 'lease', id: newId<LeaseId>() as LeaseId, network: mine.id, size: 1, addresses: [] };
  w.change([lease], [], '9');
  const next = { ...lease, id: newId<LeaseId>() as LeaseId };
  w.change([next], [itemKey(lease)], '10');
  assert.equal(w.reconciler.state.leases.get(mine.id), next);
  const known = w.reconciler.state.networks.get(mine.id);
  w.change([structuredClone(mine)], [], '11');
  assert.equal(w.reconciler.state.networks.get(mine.id), known);
});

test('a change touches only the rows that differ', () => {
  const w = world();
  const remote = portOn(2, 2);
  w.snapshot([network, remote, peer], '5');
  w.done();
  w.change([{ ...remote, revision: '6' }], [], '6');
  assert.deepEqual(w.done(), []);
  assert.deepEqual(w.reports.at(-1), ['6']);
  w.change([{ ...remote, addresses: [parseIp('10.0.0.3')] }], [], '7');
  assert.deepEqual(w.done(), ['neigh4 row away', 'neigh4 row']);
});

test('what the controller told is applied also when somebody who hears of it fails', async () => {
  const w = world();
  w.reconciler.onTold = () => {
    throw new Error('no space left on device');
  };
  w.reconciler.welcome({ type: 'welcome', host });
  const told = { type: 'changes', upserts: [network, portOn(2, 2)], deletes: [], revision: '5', synced: true };
  assert.throws(() => w.reconciler.changes(told as Changes));
  await new Promise(setImmediate);
  assert.deepEqual(w.done(), ['config row', 'neigh4 row', 'fdb row']);
});

test('a revision counts as applied when the devices that went are away', async () => {
  const w = world();
  const port = portOn(1, 1);
  const left = Promise.withResolvers<void>();
  w.attachments.set(port.id, attachmentOf(port));
  w.snapshot([network, port], '5');
  w.leaving.set(port.id, left.promise);
  w.change([], [`port/${port.id}`], '6');
  assert.deepEqual([w.devices.size, w.reports], [0, [['5', 'up hd10.0.0.1']]]);
  w.leaving.clear();
  left.resolve();
  await left.promise;
  w.reconciler.pass();
  assert.deepEqual(w.reports.at(-1), ['6']);
});

test('a port whose last device is still being taken away gets its next one after that', async () => {
  const w = world();
  const port = portOn(1, 1);
  const left = Promise.withResolvers<void>();
  w.leaving.set(port.id, left.promise);
  w.attachments.set(port.id, attachmentOf(port));
  w.snapshot([network, port], '5');
  assert.deepEqual(w.devices.size, 0);
  const settled = w.reconciler.settled(port.id, AbortSignal.timeout(5_000));
  w.leaving.delete(port.id);
  left.resolve();
  assert.deepEqual(await settled, { device: 'hd10.0.0.1', mtuBytes: 1450 });
});

test('a port that cannot be made is in error, keeps nobody waiting, and is tried again', async () => {
  const w = world();
  const port = portOn(1, 1);
  const cause = new HeddleError('SLOTS_EXHAUSTED', { limit: 1 });
  w.fail(cause);
  w.attachments.set(port.id, attachmentOf(port, 'attaching'));
  const settled = w.reconciler.settled(port.id, new AbortController().signal);
  w.snapshot([network, port, portOn(2, 2)], '5');
  await assert.rejects(settled, (e) => e === cause);
  assert.deepEqual(w.done(), ['config row', 'neigh4 row', 'fdb row'], 'the other port’s');
  assert.deepEqual(w.reports, [['5', 'error SLOTS_EXHAUSTED']]);
  w.fail(undefined);
  w.reconciler.pass();
  assert.deepEqual(w.done(), ['device', 'neigh4 row', 'fdb row', 'ports row']);
  assert.deepEqual(w.reports.at(-1), ['5', 'up hd10.0.0.1']);
});

test('a port that was made here keeps its device, without rows, while the controller has not told its network (again)', () => {
  const w = world();
  const { id, network: on, mac, addresses, dnsNames, publish } = portOn(1, 1);
  const local = { network: on, mac, addresses, leased: [], dnsNames, labels: {}, publish, createdAt: '', changed: [] };
  w.attachments.set(id, { ...attachmentOf({ id } as PortItem), local });
  w.snapshot([network], '5');
  w.done();
  w.snapshot([], '3');
  w.reconciler.touchPort(id);
  w.reconciler.pass();
  assert.deepEqual(w.done().sort(), ['fdb row away', 'neigh4 row away', 'ports row away']);
  w.change([network], [], '6');
  assert.deepEqual(w.done().sort(), ['fdb row', 'neigh4 row', 'ports row']);
  w.attachments.set(id, { ...attachmentOf({ id } as PortItem, 'detaching'), local });
  w.reconciler.touchPort(id);
  w.reconciler.pass();
  assert.ok(w.done().includes('device away'));
});

test('a port that is bound here without an attachment is pending and says why', () => {
  const w = world();
  w.snapshot([network, portOn(1, 1)], '5');
  assert.deepEqual(w.reports, [['5', 'pending NOT_ATTACHED']]);
});

test('local ports follow the underlay’s MTU', () => {
  const w = world();
  const port = portOn(1, 1);
  w.attachments.set(port.id, attachmentOf(port));
  w.snapshot([network, port], '5');
  w.done();
  w.underlay.facts.underlayMtuBytes = 1400;
  w.reconciler.pass();
  assert.deepEqual(w.done(), ['ports row']);
  assert.equal(w.devices.get(port.id)?.mtuBytes, 1350);
});

test('a guest’s sub-ports are where the guest is seen to be, and its host passes on what comes for either when the tap goes', () => {
  const w = world();
  const at = (port: PortItem, here: number, other: number): PortItem => ({
    ...port,
    host: here as HostNumber,
    standby: other as HostNumber,
  });
  const [front, behind] = [portOn(1, 1), { ...portOn(1, 2), vlan: 5 }];
  const both = (here: number, other: number) => [
    at({ ...behind, behind: front.id }, here, other),
    at(front, here, other),
  ];
  const tap = (state: Attachment['state']) => ({ ...attachmentOf(front, state), kind: 'tap' }) as Attachment;
  const places = () =>
    [front, behind].map(({ id }) => {
      const { host: here, standby } = w.reconciler.items.get(itemKey({ kind: 'port', id })) as PortItem;
      return [here, standby];
    });
  const opened = (open: boolean) => {
    w.devices.set(front.id, Object.assign(w.devices.get(front.id)!, { open }));
    w.reconciler.touchPort(front.id);
    w.reconciler.pass();
  };
  w.attachments.set(front.id, tap('attached'));
  w.snapshot([network, ...both(1, 2)], '5');
  opened(true);
  assert.deepEqual(places(), [
    [1, 2],
    [1, 2],
  ]);
  const away = [
    [2, 1],
    [2, 1],
  ];
  w.done();
  opened(false);
  assert.deepEqual(places(), away);
  assert.deepEqual(w.done().filter((row) => row === 'fdb row').length, 2);
  // The controller's word, one by one.
  for (const [n, item] of both(2, 1).entries()) {
    w.change([item], [], `${6 + n}`);
    assert.deepEqual(places(), away);
  }
  w.change(both(1, 2), [], '8');
  opened(true);
  w.done();
  w.attachments.set(front.id, tap('detaching'));
  w.reconciler.touchPort(front.id);
  w.reconciler.pass();
  assert.deepEqual(places(), away);
  assert.deepEqual(
    w
      .done()
      .sort()
      .filter((did) => did.startsWith('fdb') || did.endsWith('away')),
    ['device away', 'fdb row', 'fdb row', 'ports row away', 'stations row away'],
  );
});

test('a port behind another whose rows the kernel refuses is in error, alone, until it takes them', () => {
  const w = world();
  const front = portOn(1, 1);
  const behind = { ...portOn(1, 2), behind: front.id, vlan: 5 };
  w.attachments.set(front.id, attachmentOf(front));
  w.full.add('stations');
  w.snapshot([network, front, behind], '5');
  assert.deepEqual(w.reports.splice(0), [['5', 'up hd10.0.0.1', 'error KERNEL_MAP_FULL']]);
  w.reconciler.pass();
  assert.deepEqual(w.reports, []);
  w.full.clear();
  w.reconciler.pass();
  assert.deepEqual(w.reports, [['5', 'up hd10.0.0.1']]);
  assert.deepEqual(w.reconciler.conditions.at(-1), { id: behind.id, condition: 'up', device: 'hd10.0.0.1' });
});
