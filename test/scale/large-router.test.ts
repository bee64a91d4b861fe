/**
 * A router with 100 subnets and 1,000 routes of each family, real agents and packets through some of them. Times and sizes are
 * told; what is judged is that all of it is in the kernel, and that a change of one route moves its packets and no others.
 */
// exclusive: a large state, and packets beside it
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, type TestContext, test } from 'node:test';
import type { agentStatus } from '../../src/agent/status.ts';
import { openLocal } from '../../src/client/local.ts';
import { layoutHash, type MapName } from '../../src/datapath/layouts.ts';
import { openPinnedMap } from '../../src/kernel/bpf.ts';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';

const networks = 50;
const routes = 1000;
const families = [4, 6] as const;
type Family = (typeof families)[number];
const waitMs = 60_000;
/** Of each family; those that packets go through. */
const tried = [0, 1, 255, 256, 500, 998, 999];

let stage: Stage;
/** On the first network and host 1; on the last network and host 2, with what the routes lead to behind it. */
let left: Station;
let far: Station;
/** On the last network, too: where a route is changed to. */
let other: Station;

const cidr = (n: number, family: Family): string => (family === 4 ? `10.64.${n}.0/24` : `fd64:${n.toString(16)}::/64`);
const destination = (i: number, family: Family): string =>
  family === 4 ? `10.${128 + (i >> 8)}.${i & 255}.0/24` : `fd80:${i.toString(16)}::/64`;
/** The address there that answers. */
const behind = (i: number, family: Family): string =>
  family === 4 ? destination(i, 4).replace('.0/24', '.1') : destination(i, 6).replace('/64', '1');
const ip = (station: Station, family: Family): string => (family === 4 ? station.ip4 : station.ip6);

const routesVia = (next: (i: number) => Station) =>
  families.flatMap((family) =>
    Array.from({ length: routes }, (_, i) => ({ destination: destination(i, family), via: ip(next(i), family) })),
  );
async function timed(t: TestContext, what: string, work: () => Promise<unknown>): Promise<void> {
  const began = performance.now();
  await work();
  t.diagnostic(`${what}: ${(performance.now() - began).toFixed(0)} ms`);
}

before(async () => {
  stage = await openStage(2);
  for (let n = 0; n < networks; n++) await stage.network('t', `n${n}`, [cidr(n, 4), cidr(n, 6)]);
  left = await stage.attach({ tenant: 't', network: 'n0', host: 0 });
  far = await stage.attach({ tenant: 't', network: `n${networks - 1}`, host: 1 });
  other = await stage.attach({ tenant: 't', network: `n${networks - 1}`, host: 1 });
  const lines = tried.flatMap((i) =>
    families.map((family) => `address add ${behind(i, family)}/${family === 4 ? 32 : 128} dev lo`),
  );
  for (const station of [far, other])
    await stage.exec(station, 'sh', '-c', `printf '${lines.join('\\n')}\\n' | ip -batch -`);
});
after(() => stage?.[Symbol.asyncDispose]());

const status = async (host: number): Promise<ReturnType<typeof agentStatus>> =>
  (await openLocal(stage.lab.hosts[host]!.agentSocket).request('GET', '/v1/status')) as never;

/** Rows of a map in a host's kernel, and the bytes that this says it takes. */
function inKernel(host: string, name: MapName): { rows: number; bytes: number } {
  using map = openPinnedMap(`${stage.lab.plan.bpfDir}/${host}/${layoutHash}/${name}`);
  const bytes = /^memlock:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${map.fd}`, 'utf8'))?.[1];
  return { rows: map.keys().length, bytes: Number(bytes) };
}
function rssMiB(daemon: string): number {
  const text = readFileSync(`/proc/${stage.lab.pid(daemon)}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(text)![1]) / 1024;
}
const sizes = () => ['controller', 'h1', 'h2'].map((daemon) => `${daemon} ${rssMiB(daemon).toFixed(0)} MiB`).join(', ');

async function packetsPass(): Promise<void> {
  for (const family of families) {
    await stage.ping(left, ip(far, family));
    for (const i of tried) await stage.ping(left, behind(i, family));
  }
}

test('all of it is in both kernels', async (t) => {
  t.diagnostic(`before: ${sizes()}`);
  const subnets = Array.from({ length: networks }, (_, n) => families.map((family) => `n${n}-${family}`)).flat();
  await timed(t, `${subnets.length} subnets are joined and applied`, () =>
    stage.client.create('router', { name: 'r', subnets }, { tenant: 't', waitMs }),
  );
  await timed(t, `${2 * routes} routes are written and applied`, () =>
    stage.client.update('router', 'r', { routes: routesVia(() => far) }, { tenant: 't', waitMs }),
  );
  t.diagnostic(`after: ${sizes()}`);
  for (const host of ['h1', 'h2'])
    for (const name of ['routes4', 'routes6'] as const) {
      const { rows, bytes } = inKernel(host, name);
      assert.equal(rows, routes + 2 * networks + 1, 'routes, subnets, their gateways, metadata');
      t.diagnostic(`${host} ${name}: ${rows} rows, ${(bytes / 1024).toFixed(0)} KiB`);
    }
  for (const host of [0, 1]) {
    const { rows, refused } = (await status(host)) as { rows: { desired: number; actual: number }; refused: string[] };
    assert.equal(rows.actual, rows.desired);
    assert.deepEqual(refused ?? [], []);
  }
});

test('packets go through the first, the last and some between, and nowhere without a route', async () => {
  await packetsPass();
  for (const beyond of [behind(routes, 4), behind(routes, 6)])
    await assert.rejects(stage.ping(left, beyond, '-w', '1'), /0 received/);
});

test('one route of them changes, and the others do not', async (t) => {
  const changed = 500;
  await timed(t, 'one route changed and applied', () =>
    stage.client.update(
      'router',
      'r',
      { routes: routesVia((i) => (i === changed ? other : far)) },
      { tenant: 't', waitMs },
    ),
  );
  const before = [await rxOf(far), await rxOf(other)] as const;
  for (const family of families) await stage.ping(left, behind(changed, family));
  assert.deepEqual([(await rxOf(far)) - before[0], (await rxOf(other)) - before[1]], [0, 2]);
  await packetsPass();
});
const rxOf = async (station: Station): Promise<number> => Number((await stage.counters(station)).rxPackets);

test('a restarted agent has it again, and a restarted controller', async (t) => {
  await timed(t, 'an agent is in step again', async () => {
    await stage.lab.kill('h2');
    await stage.lab.start('h2');
    await stage.lab.ready('h2');
    await stage.settled(far);
  });
  await stage.lab.kill('controller');
  await stage.lab.start('controller');
  await stage.lab.ready('h1');
  await stage.settled(left);
  await packetsPass();
  t.diagnostic(sizes());
});

test('without the router nothing of it is left in the kernels', async (t) => {
  await timed(t, 'the router is gone', () => stage.client.remove('router', 'r', { tenant: 't', waitMs }));
  for (const host of ['h1', 'h2'])
    for (const name of ['routes4', 'routes6'] as const) assert.equal(inKernel(host, name).rows, 0);
  await assert.rejects(stage.ping(left, far.ip4, '-w', '1'));
});
