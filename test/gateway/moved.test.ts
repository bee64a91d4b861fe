/** A guest that moves to another host keeps its connections with the outside, and UDP: what it began, and what came by its published ports. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { openLocal } from '../../src/client/local.ts';
import { until } from '../../src/lab/processes.ts';
import type { Port, Publish } from '../../src/model/kinds.ts';
import type { Attached } from '../../src/model/local-api.ts';
import { TapGuest } from '../agent/tap-guest.ts';
import { Workload } from '../agent/workload.ts';
import { type DatagramFlow, datagramFlow, mirrorDatagrams } from './datagrams.ts';
import { serve } from './server.ts';
import { hostAddress, outside, Town } from './town.ts';

/** Disposed in reverse. */
const all = new AsyncDisposableStack();
after(() => all.disposeAsync());
const town = all.use(await Town.open(3));
const { lab, client } = town.stage;
const machines = {
  lab,
  workload: async () => new Workload(lab, 'guest', await lab.addWorkload('guest')),
};
const scope = { tenant: 'acme' };
/** A workload of the same network on the third host. */
const neighbour = await town.resident('acme', { host: 2 });

const attach = (host: string, more: object = {}): Promise<Attached> =>
  openLocal(lab.host(host).agentSocket).request('POST', '/v1/attachments', {
    body: { kind: 'tap', tenant: 'acme', network: 'web', port: 'vm1', ifname: 'tap-vm1', ...more },
  }) as never;
const detach = (host: string) => openLocal(lab.host(host).agentSocket).request('DELETE', '/v1/attachments/vm1');
const names = new Map((await client.list('host')).map(({ id, name }) => [id, name]));
const is = (host: string, standby?: string, origin?: string): Promise<Port> =>
  until(`the port is on ${host}`, 10_000, async () => {
    const port = await client.get('port', 'vm1', scope);
    const have = [port.host, port.standby, port.origin].map((id) => names.get(id ?? ''));
    return String(have) === String([host, standby, origin]) ? port : undefined;
  });

const made = await attach('h1');
const guest = all.use(await TapGuest.start(machines, 'h1', made));
const { path } = guest.workload;
await town.in(path, 'ip', 'route', 'add', 'default', 'via', '10.0.0.1');
await town.in(path, 'ip', 'route', 'add', 'default', 'via', 'fd00:1::1');
for (const any of ['0.0.0.0', '::']) {
  all.use(serve(town.outside, 'tcp', any, 7300, 'line…'));
  all.use(serve(town.outside, 'tcp', any, 7301, 'hello'));
  all.use(serve(town.outside, 'udp', any, 7301, 'hello'));
  all.use(mirrorDatagrams(town.outside, any, 7302));
  all.use(serve(path, 'udp', any, 82, 'shop'));
  all.use(serve(path, 'tcp', any, 80, 'shop…'));
  all.use(serve(path, 'tcp', any, 81, 'shop'));
}
const publish: Publish[] = [
  { protocol: 'tcp', port: 80, hostPort: 8080 },
  { protocol: 'tcp', port: 81, hostPort: 8081 },
  { protocol: 'udp', port: 82, hostPort: 8082 },
];
await client.update('port', 'vm1', { publish }, { ...scope, waitMs: 10_000 });
const families = [
  [outside.v4, hostAddress(1).v4, hostAddress(2).v4],
  [outside.v6, hostAddress(1).v6, hostAddress(2).v6],
] as const;

/** What begins now leaves by this host’s address, and comes by it. */
async function fresh(here: 1 | 2): Promise<void> {
  for (const family of families) {
    await town.becomes(`ok hello ${family[here]}`, path, 'tcp', family[0], 7301);
    // Of UDP, when what may be older has had its time.
    await town.becomes(`ok hello ${family[here]}`, path, 'udp', family[0], 7301);
    await town.becomes(`ok shop ${family[0]}`, town.outside, 'tcp', family[here], 8081);
    await town.becomes(`ok shop ${family[0]}`, town.outside, 'udp', family[here], 8082);
  }
}
/** Connections of both families that go out, and that come in by the first host’s published port. */
const open = (host: 1 | 2) =>
  Promise.all(
    families.flatMap((family) => [town.keep(path, family[0], 7300), town.keep(town.outside, family[host], 8080)]),
  );
/** UDP flows of both families. */
const flows = (): DatagramFlow[] => families.map(([there]) => all.use(datagramFlow(path, there, 7302)));
const answered = (some: readonly DatagramFlow[]): Promise<unknown> =>
  Promise.all(
    some.map(({ seen }) => {
      const before = seen.length;
      return until('datagrams are answered', 10_000, () => (seen.length > before + 10 ? true : undefined));
    }),
  );
const toOrigin = async (): Promise<number> => {
  const port = (await client.get('port', 'vm1', { ...scope, counters: true })) as Port & {
    counters: { reasons: Record<string, string> } | null;
  };
  return Number(port.counters?.reasons.to_origin ?? 0);
};
/** Packets of the older connections have gone by the origin since. */
async function goOn(): Promise<void> {
  const before = await toOrigin();
  await until('they go on', 10_000, async () => ((await toOrigin()) > before + 40 ? true : undefined));
}

test('connections with the outside live on when a guest moves, its source is detached, and agents start anew', async () => {
  await fresh(1);
  const older = await open(1);
  const olderFlows = flows();
  await answered(olderFlows);
  const there = await attach('h2', { standby: true });
  await guest.moveTo('h2', there);
  await is('h2', 'h1', 'h1');
  await goOn();
  await answered(olderFlows);
  await fresh(2);
  const newer = await open(2);
  assert.deepEqual(await detach('h1'), { released: true });
  await is('h2', undefined, 'h1');
  await goOn();
  for (const [, first] of families) assert.match(await town.ask(town.outside, 'tcp', first, 8081), /^no /);
  await fresh(2);
  for (const host of ['h1', 'h2']) {
    await lab.kill(host);
    await lab.start(host);
  }
  await until('both agents are in sync', 20_000, async () =>
    (await Promise.all([town.status(0), town.status(1)]).catch(() => [])).filter((s) => s.synced).length === 2
      ? true
      : undefined,
  );
  await goOn();
  await fresh(2);
  const newerFlows = flows();
  await answered([...olderFlows, ...newerFlows]);
  for (const end of [...older, ...newer]) assert.ok((await end()) > 20, 'answers on one connection');
  for (const [some, host] of [
    [olderFlows, 1],
    [newerFlows, 2],
  ] as const)
    for (const [i, { seen }] of some.entries()) {
      assert.equal(seen[0]!.split(' ')[0], families[i]![host]);
      assert.deepEqual([...new Set(seen)], [seen[0]], 'one address and port from first to last');
    }
  for (const ip of made.port.addresses) await town.stage.ping(neighbour, ip);
});

test('the host before forgets the port when that is ended, or the guest is back', async () => {
  await client.update('port', 'vm1', { origin: null }, { ...scope, waitMs: 10_000 });
  await is('h2');
  const network = (await client.get('network', 'web', scope)).id;
  const state = await town.status(0);
  assert.equal(state.gateways.networks, 0, `nothing of ${network} is there any more`);
  const older = await open(2);
  const back = await attach('h1', { standby: true });
  await guest.moveTo('h1', back);
  await is('h1', 'h2', 'h2');
  await fresh(1);
  await guest.moveTo('h2', back);
  await is('h2', 'h1');
  await fresh(2);
  for (const end of older) assert.ok((await end()) > 5, 'what began where it is again, goes on');
});
