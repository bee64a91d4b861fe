/** A server leaves Heddle: nothing of it is left there, and nothing at the controller; also when it was cut off. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { labDir } from '../../src/lab/plan.ts';
import { until } from '../../src/lab/processes.ts';
import { must, type Ran } from '../../src/lab/run.ts';
import { hasCode } from '../../src/model/errors.ts';
import type { LeavePlan, Left } from '../../src/model/leave.ts';
import { heddle } from '../cli/heddle.ts';
import { untilEqual } from '../until-equal.ts';
import { differences, type Printed, printOf } from './host-print.ts';
import { Rig } from './rig.ts';
import { Steps } from './steps.ts';
import { TapGuest } from './tap-guest.ts';
import type { Workload } from './workload.ts';

const name = `a${randomBytes(4).toString('hex')}`;
const netns = `/run/netns/hd-${name}-h1`;
const where: Printed = { dir: labDir(name), host: 'h1', netns };
let rig: Rig;
let near: Workload;
let far: Workload;
/** The host before an agent ever ran there. */
let untouched: readonly string[];

/** A NIC and a tap that the host has, and what else it may have. */
const furniture = `
  ip link add eth2 type veth peer name lan2
  ip link set eth2 up; ip link set lan2 up
  ip tuntap add dev tap7 mode tap vnet_hdr
  ip link set tap7 alias mine
  ip link set tap7 up; ip link set tap7 down
  nft add table inet mine`;

before(async () => {
  rig = await Rig.open({
    name,
    onProgress(step) {
      if (step !== 'starting the agents') return;
      execFileSync('nsenter', [`--net=${netns}`, '--', 'sh', '-ec', furniture]);
      untouched = printOf(where);
    },
  });
  const { client } = rig;
  await client.create('tenant', { name: 'globex' });
  await client.create('network', { name: 'web' }, { tenant: 'globex' });
  await client.create('subnet', { name: 'web4', network: 'web', cidr: '10.0.0.0/24' }, { tenant: 'globex' });
  [near, far] = [await rig.workload(), await rig.workload()];
  await rig.attach('h2', { target: far.path, port: 'far' });
});
after(() => rig?.[Symbol.asyncDispose]());

const server = `hd-${name}-server`;
const serverIsThere = () => existsSync(`/run/netns/${server}`);
const leaves = (...words: string[]): Promise<Ran> => heddle(['leave', ...words], rig.lab.host('h1').env);
const plan = (): Promise<LeavePlan> => rig.local('h1', 'GET', '/v1/leave') as Promise<LeavePlan>;
const isUntouched = () => untilEqual([], 20_000, () => differences(untouched, printOf(where)));
const ends = () =>
  until('the agent has ended', 20_000, async () => (rig.lab.pid('h1') === undefined ? true : undefined));
const joins = async () => {
  await rig.lab.start('h1');
  await rig.lab.ready('h1', 60_000);
};

/** One of everything on h1. */
async function crowd(): Promise<void> {
  const { client, tenant } = rig;
  await rig.attach('h1', { target: near.path, port: 'near' });
  await client.update('port', 'near', { publish: [{ protocol: 'tcp', port: 80, hostPort: 8080 }] }, { tenant });
  await rig.attach('h1', { kind: 'tap', port: 'vm1' });
  await rig.attach('h1', { kind: 'tap', port: 'vm2', ifname: 'tap7' });
  await rig.attach('h1', { kind: 'host' });
  await rig.attach('h1', { kind: 'host', netns: server, tenant: 'globex' });
  await rig.attach('h1', { kind: 'device', ifname: 'eth2', vlan: 120, port: 'plant' });
  assert.ok(await near.reaches('10.0.0.1', 5), 'the gateway is there');
  assert.ok(serverIsThere());
  const rules = await must(rig.lab.host('h1').argv(['nft', 'list', 'table', 'inet', 'heddle']));
  assert.match(rules, /8080/);
}

/** What the controller has of h1: hosts, ports, leases. */
async function known(): Promise<string[]> {
  const hosts = await rig.client.list('host');
  const h1 = hosts.find((h) => h.name === 'h1');
  const of = async (tenant: string) =>
    (await Promise.all((['port', 'lease'] as const).map((kind) => rig.client.list(kind, { tenant })))).flat();
  const all = [...(await of(rig.tenant)), ...(await of('globex'))].filter((o) => h1 && o.host === h1.id);
  return [...(h1 ? ['h1'] : []), ...all.map((o) => o.id)];
}

test('without a yes it says what would go, and does nothing', async () => {
  await rig.attach('h1', { target: near.path, port: 'near' });
  const { code, stdout, stderr } = await leaves();
  assert.equal(code, 2, stderr);
  assert.match(stdout, /^h1 would leave Heddle; 1 attached would be detached\n {2}near \(acme\/web\)\n$/);
  assert.match(stderr, /say --yes/);
  assert.ok(await near.reaches((await rig.port('far')).addresses[0]!, 5));
  await rig.detach('h1', 'near');
});

test('every trace goes: workloads, gateways, rules, programs, files, the host and its ports; what was there before is as it was; it may come back', async () => {
  await crowd();
  const { code, stdout, stderr } = await leaves('--yes');
  assert.equal(code, 0, stderr);
  assert.equal(stdout, 'h1 has left Heddle; its agent ends\n');
  await ends();
  await isUntouched();
  assert.ok(!serverIsThere());
  assert.deepEqual(
    near.inside().links.map((l) => l.name),
    ['lo'],
  );
  assert.deepEqual(await known(), []);
  assert.equal(await rig.portIfThere('near'), undefined);
  await joins();
  await rig.attach('h1', { target: near.path, port: 'near' });
  assert.ok(await near.reaches((await rig.port('far')).addresses[0]!, 5));
  await rig.detach('h1', 'near');
});

test('what runs is named and not cut off, unless it is forced', async () => {
  const vm = await rig.attach('h1', { kind: 'tap', port: 'vm1' });
  await using _guest = await TapGuest.start(rig, 'h1', vm);
  await until('the tap is open', 10_000, async () => ((await plan()).inTheWay.length === 1 ? true : undefined));
  const refused = await leaves('--yes', '--json');
  assert.equal(refused.code, 1);
  assert.equal(JSON.parse(refused.stderr).code, 'LEAVE_BLOCKED');
  assert.match(refused.stderr, /vm1 \(acme\/web\) is a running machine’s/);
  assert.ok((await rig.status('h1')).synced, 'nothing was done');
  const forced = await leaves('--yes', '--force', '--json');
  assert.deepEqual(JSON.parse(forced.stdout) as Left, { host: 'h1', stays: [] });
  await ends();
  await isUntouched();
  assert.deepEqual(await known(), []);
  await joins();
});

test('with the controller away it is forced, and says what stays there', async () => {
  await rig.attach('h1', { target: near.path, port: 'near' });
  await rig.lab.kill('controller');
  await until('the agent knows', 10_000, async () =>
    (await rig.status('h1')).controller.connected ? undefined : true,
  );
  const refused = await leaves('--yes');
  assert.deepEqual([refused.code, /the controller at .* does not answer/.test(refused.stderr)], [1, true]);
  const forced = await leaves('--yes', '--force');
  assert.equal(forced.code, 0, forced.stderr);
  assert.match(forced.stdout, /^stays: host h1 at the controller .* heddle host delete h1 --gone$/m);
  await ends();
  await isUntouched();
  await rig.lab.start('controller');
  await rig.lab.ready('controller');
  await rig.client.remove('host', 'h1', { gone: true } as never);
  assert.deepEqual(await known(), []);
  await joins();
});

test('a port that stands by elsewhere is the other host’s alone; one that was not made for it stays, bound nowhere', async () => {
  const { client, tenant } = rig;
  const { port } = await rig.attach('h1', { kind: 'tap', port: 'vm1' });
  await rig.attach('h2', { kind: 'tap', port: 'vm1', standby: true });
  await client.create('port', { name: 'mine', network: 'web' }, { tenant });
  await rig.attach('h1', { target: near.path, port: 'mine' });
  assert.equal((await leaves('--yes')).code, 0);
  await ends();
  const h2 = (await client.list('host')).find((h) => h.name === 'h2')!;
  const now = await rig.port('vm1');
  assert.deepEqual([now.id, now.host, now.standby], [port.id, h2.id, undefined]);
  const { host, status } = await rig.port('mine');
  assert.deepEqual([host, status.condition], [undefined, 'unbound']);
  await rig.detach('h2', 'vm1');
  await client.remove('port', 'mine', { tenant });
  await isUntouched();
  await joins();
});

/** Before what the agent is killed: each part of its leaving, and what is removed in the last one. */
const cuts = [
  'leaving: workloads are detached',
  'leaving: the agent’s services end',
  'leaving: the controller is told',
  'leaving: gateways and their rules go',
  'leaving: programs, maps and files go',
  'remove pin',
  'remove record',
  'remove state',
] as const;
for (const cut of cuts)
  test(`killed before "${cut}", it leaves when it is asked again`, async () => {
    await cutOff(cut);
    await rig.lab.start('h1');
    await until('nothing is in the way', 60_000, async () => {
      const served = await rig.statusIfServed('h1');
      return served && (await plan()).inTheWay.length === 0 ? true : undefined;
    });
    const { code, stderr } = await leaves('--yes');
    assert.equal(code, 0, stderr);
    await ends();
    await isUntouched();
    assert.ok(!serverIsThere());
    assert.deepEqual(await known(), []);
    assert.deepEqual(
      readdirSync('/run/netns').filter((n) => n.startsWith(`hd-${name}-h1-`)),
      [],
    );
    await joins();
  });

/** Kills the agent before the first such step of its leaving. */
async function cutOff(kind: string): Promise<void> {
  await crowd();
  const leave = () =>
    assert.rejects(
      rig.local('h1', 'POST', '/v1/leave', {}),
      (e) => hasCode(e, 'AGENT_UNREACHABLE'),
      `it was never seen before "${kind}"`,
    );
  const killed = await new Steps({ only: new RegExp(`^${kind}$`) }).kill(rig.lab.pid('h1')!, leave);
  assert.ok(killed, 'it was cut off by whom it was to be, and by nobody else');
  await ends();
}
