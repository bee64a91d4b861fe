/** A port of two hosts: its guest comes from one to the other, whoever knows of it when, and whatever dies on the way. */
// exclusive: counts lost packets
import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { indexKey } from '../../src/datapath/layouts.ts';
import { until } from '../../src/lab/processes.ts';
import { must } from '../../src/lab/run.ts';
import { hasCode } from '../../src/model/errors.ts';
import type { Host, Port } from '../../src/model/kinds.ts';
import type { Attached, TapAttachment } from '../../src/model/local-api.ts';
import { PingStream } from '../traffic/ping-stream.ts';
import { Rig } from './rig.ts';
import { TapGuest } from './tap-guest.ts';
import type { Workload } from './workload.ts';

let rig: Rig;
/** Workloads of the host that the guest leaves, of the one that it comes to, and of a third. */
const stations = new Map<string, { workload: Workload; addresses: readonly string[] }>();
let hosts: Map<string, string>;

before(async () => {
  // Hosts 1 and 3 are in one prefix of the underlay, host 2 is in another, behind a router.
  rig = await Rig.open({ hosts: 3, subnets: 2 });
  for (const host of ['h1', 'h2', 'h3']) {
    const workload = await rig.workload();
    const { port } = await rig.attach(host, { target: workload.path });
    await rig.portIs(port.id, 'up');
    stations.set(host, { workload, addresses: port.addresses });
  }
  hosts = new Map((await rig.client.list('host')).map(({ id, name }: Host) => [id, name]));
});
after(() => rig?.[Symbol.asyncDispose]());

/** A port whose guest runs on the first host, and which stands by on the second. */
interface Pair extends AsyncDisposable {
  readonly name: string;
  readonly made: Attached;
  readonly guest: TapGuest;
}
let ports = 0;

async function onFirst(): Promise<Pair> {
  const name = `vm${++ports}`;
  const made = await rig.attach('h1', { kind: 'tap', port: name, ifname: `tap-${name}` });
  forgetOthers();
  const guest = await TapGuest.start(rig, 'h1', made);
  return {
    name,
    made,
    guest,
    async [Symbol.asyncDispose]() {
      await guest[Symbol.asyncDispose]();
      for (const host of ['h1', 'h2']) await rig.detach(host, name).catch(notAttached);
    },
  };
}
/** What a test itself has detached already is gone. */
function notAttached(e: unknown): void {
  if (!hasCode(e, 'NOT_FOUND')) throw e;
}
/** Its addresses may have been another port's, with other MACs. */
function forgetOthers(): void {
  for (const { workload } of stations.values()) workload.forgetNeighbours();
}
const standBy = (name: string, host = 'h2'): Promise<Attached> =>
  rig.attach(host, { kind: 'tap', port: name, ifname: `tap-${name}`, standby: true });
async function pair(): Promise<Pair> {
  const one = await onFirst();
  await standBy(one.name);
  return one;
}

/** It is quiet from now on, as a guest that stands still, and its tap stays open. */
const silence = ({ workload }: TapGuest) => must(workload.argv(['ip', 'link', 'set', 'dev', 'eth0', 'down']));
/** The guest on another host; its kernel speaks as soon as its device is up, as guests do that come to a host. */
const arriveAt = (host: string, made: Attached): Promise<TapGuest> => TapGuest.start(rig, host, made);

const bindings = ({ host, standby }: Port) => [hosts.get(host ?? ''), hosts.get(standby ?? '')];
const isAt = (name: string, ...want: (string | undefined)[]): Promise<Port> =>
  until(`${name} is at ${want}`, 10_000, async () => {
    const port = await rig.port(name);
    return String(bindings(port)) === String(want) ? port : undefined;
  });
/** Workloads of these hosts get answers from the guest. */
async function reached(pair: Pair, from: readonly string[] = ['h1', 'h2', 'h3']): Promise<void> {
  await reachedAt(pair.made.port.addresses, from);
}
async function reachedAt(addresses: readonly string[], from: readonly string[] = ['h1', 'h2', 'h3']): Promise<void> {
  for (const host of from)
    for (const ip of addresses) assert.ok(await stations.get(host)!.workload.reaches(ip, 5), `${ip} from ${host}`);
}
/** The guest gets answers from workloads of all hosts, and from its gateway. */
async function reaches({ workload }: TapGuest): Promise<void> {
  for (const ip of ['10.0.0.1', ...[...stations.values()].flatMap(({ addresses }) => addresses)])
    assert.ok(await workload.reaches(ip, 5), `${ip} from the guest`);
}
/** A machine within a guest, by the MAC and address of a port behind the guest's. */
async function machineIn({ workload }: TapGuest, { mac, addresses }: Port): Promise<Workload> {
  const machine = await rig.workload();
  const link = `link add link eth0 name inner address ${mac} type macvlan mode bridge\nlink set inner netns ${machine.path}`;
  await must(workload.argv(['ip', '-batch', '-']), { input: `${link}\n` });
  const lines = ['link set inner name eth0 up', `address add ${addresses[0]}/24 dev eth0`];
  await must(machine.argv(['ip', '-batch', '-']), { input: `${lines.join('\n')}\n` });
  return machine;
}
const ifindexOn = (host: string, name: string) => rig.links(host).find((l) => l.name === `tap-${name}`)?.ifindex;
function record(host: string, { made }: Pair): TapAttachment | undefined {
  const path = `${rig.stateDir(host)}/attachments/${made.port.id}.json`;
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as TapAttachment) : undefined;
}

test('a standby is wired before the guest comes, says so, and changes nothing for anybody', async () => {
  await using one = await onFirst();
  const trace = await rig.trace('h2');
  await using stream = new PingStream(stations.get('h3')!.workload.path, one.made.port.addresses[0]!, { everyMs: 20 });
  const [first, again] = [await standBy(one.name), await standBy(one.name)];
  assert.deepEqual([again.port.id, again.ifname], [first.port.id, first.ifname]);
  const { status } = await until('both are up', 10_000, async () => {
    const port = await rig.port(one.name);
    return port.status.condition === 'up' && port.status.standby === 'up' ? port : undefined;
  });
  assert.equal(status.device, `tap-${one.name}`);
  await isAt(one.name, 'h1', 'h2');
  await reached(one);
  await rig.detach('h2', one.name);
  await isAt(one.name, 'h1', undefined);
  await rig.back('h2', trace);
  await reached(one);
  const { sent, received } = await stream.stop();
  assert.equal(sent, received, 'an aborted move costs nobody a packet');
});

test('a guest that speaks at the standby has its port there, and the first host passes on what still comes', async () => {
  await using one = await pair();
  await reached(one);
  await silence(one.guest);
  // A host that hears nothing of the move: its rows say that the guest is where it was.
  await rig.lab.kill('h3', 'SIGSTOP');
  try {
    await using guest = await arriveAt('h2', one.made);
    const { status } = await isAt(one.name, 'h2', 'h1');
    assert.equal(status.condition, 'up');
    await reached(one);
    await reaches(guest);
    // Neither the end of its tap nor that of its agent ends that, nor does another target.
    assert.deepEqual(await rig.detach('h1', one.name), { released: true });
    const { origin } = await isAt(one.name, 'h2', undefined);
    assert.equal(hosts.get(origin ?? ''), 'h1');
    assert.equal(ifindexOn('h1', one.name), undefined);
    await reached(one);
    await rig.lab.kill('h1');
    await rig.lab.start('h1');
    await rig.inSync('h1');
    await reached(one);
    await reaches(guest);
    await rig.lab.kill('h3', 'SIGCONT');
    await rig.inSync('h3');
    await standBy(one.name, 'h3');
    await reached(one);
    await rig.detach('h3', one.name);
    await rig.client.update('port', one.name, { origin: null }, { tenant: rig.tenant, waitMs: 10_000 });
    await reached(one);
    await reaches(guest);
    await rig.portIs(one.name, 'up');
  } finally {
    await rig.lab.kill('h3', 'SIGCONT');
  }
});

test('what a router brings finds the guest, also by way of the host that it left', async () => {
  const routed = await rig.workload();
  await rig.attach('h3', { target: routed.path, network: 'four' });
  const scope = { tenant: rig.tenant, waitMs: 10_000 };
  const { id } = await rig.client.create('router', { name: 'r', subnets: ['web4', 'four4'] }, scope);
  await using one = await pair();
  const ip = one.made.port.addresses.find((a) => a.includes('.'))!;
  const setRoute = ({ workload }: TapGuest) =>
    must(workload.argv(['ip', 'route', 'add', 'default', 'via', '10.0.0.1']));
  await setRoute(one.guest);
  assert.ok(await routed.reaches(ip, 5), 'where it was');
  await silence(one.guest);
  await rig.lab.kill('h3', 'SIGSTOP');
  try {
    await using guest = await arriveAt('h2', one.made);
    await setRoute(guest);
    await isAt(one.name, 'h2', 'h1');
    assert.ok(await routed.reaches(ip, 5), 'from a host that does not know of the move');
    await rig.lab.kill('h3', 'SIGCONT');
    await rig.inSync('h3');
    await rig.detach('h1', one.name);
    await isAt(one.name, 'h2', undefined);
    assert.ok(await routed.reaches(ip, 5), 'where it is');
  } finally {
    await rig.lab.kill('h3', 'SIGCONT');
  }
  await rig.client.remove('router', id, { tenant: rig.tenant });
  await routed.remove();
});

test('a source that is detached passes on what comes until the controller knows of it', async () => {
  await using one = await pair();
  await silence(one.guest);
  await rig.lab.kill('h3', 'SIGSTOP');
  try {
    await using guest = await arriveAt('h2', one.made);
    await isAt(one.name, 'h2', 'h1');
    await reached(one, ['h1', 'h2']);
    await rig.lab.kill('controller');
    // It wakes up, and finds nobody to tell it of the move.
    await rig.lab.kill('h3', 'SIGCONT');
    const ifindex = ifindexOn('h1', one.name)!;
    assert.deepEqual(await rig.detach('h1', one.name), { released: false });
    assert.equal(ifindexOn('h1', one.name), undefined);
    using map = rig.map('h1', 'ports');
    assert.ok(!map.entries().some(([key]) => indexKey.decode(key).index === ifindex), 'its device has no row any more');
    await reached(one);
    await reaches(guest);
  } finally {
    await rig.lab.kill('h3', 'SIGCONT');
    if (rig.lab.pid('controller') === undefined) await rig.lab.start('controller');
    await rig.lab.ready('controller');
  }
  await isAt(one.name, 'h2', undefined);
});

test('a guest moves to and fro, each host standing by for the other', async () => {
  await using one = await pair();
  await silence(one.guest);
  {
    await using guest = await arriveAt('h2', one.made);
    await isAt(one.name, 'h2', 'h1');
    await reached(one);
    await silence(guest);
    // Its first host's tap is free again, as after a migration.
    await one.guest[Symbol.asyncDispose]();
    await using back = await arriveAt('h1', one.made);
    await isAt(one.name, 'h1', 'h2');
    await reached(one);
    await reaches(back);
  }
});

test('a move by the API takes effect at once, and holds until the guest speaks where it is not expected', async () => {
  await using one = await pair();
  await silence(one.guest);
  const moved = await rig.client.update('port', one.name, { host: 'h2' }, { tenant: rig.tenant });
  assert.deepEqual(bindings(moved), ['h2', 'h1']);
  // The guest has not gone: it says so by its next frame.
  await must(one.guest.workload.argv(['ip', 'link', 'set', 'dev', 'eth0', 'up']));
  await isAt(one.name, 'h1', 'h2');
});

test('a source that is detached first, its guest silent, leaves the port to the standby', async () => {
  await using one = await pair();
  await rig.detach('h1', one.name);
  await isAt(one.name, 'h2', undefined);
  await using _guest = await arriveAt('h2', one.made);
  await reached(one);
  // The port was made for its attachments, and goes with the last of them.
  await rig.detach('h2', one.name);
  await until('the port is gone', 10_000, async () => {
    const left = await rig.client.list('port', { tenant: rig.tenant, name: one.name });
    return left.length === 0 ? true : undefined;
  });
});

test('what a standby cannot stand by for is refused, and nothing is left', async () => {
  await using one = await onFirst();
  await using other = await onFirst();
  await rig.inSync('h2');
  const trace = await rig.trace('h2');
  const attach = (body: object) => rig.attach('h2', { kind: 'tap', standby: true, ...body } as never);
  await assert.rejects(attach({}), { code: 'INVALID', message: /port: say which/ });
  await assert.rejects(attach({ port: 'nobody' }), { code: 'NOT_FOUND' });
  await rig.client.create('port', { name: 'idle', network: 'web' }, { tenant: rig.tenant });
  await assert.rejects(attach({ port: 'idle' }), { code: 'INVALID', message: /standby: port idle is on no host/ });
  await rig.client.remove('port', 'idle', { tenant: rig.tenant });
  await assert.rejects(rig.attach('h2', { kind: 'tap', port: one.name }), { code: 'PORT_BOUND' });
  await standBy(other.name);
  await assert.rejects(standBy(other.name, 'h3'), { code: 'INVALID', message: /has a standby on another host/ });
  await isAt(other.name, 'h1', 'h2');
  await rig.detach('h2', other.name);
  await rig.back('h2', trace);
});

test('the agent of a standby may be killed before the guest comes, and while it comes', async () => {
  await using one = await pair();
  await rig.lab.kill('h2');
  await rig.lab.start('h2');
  await rig.inSync('h2');
  await isAt(one.name, 'h1', 'h2');
  await rig.lab.kill('h2');
  await silence(one.guest);
  await using guest = await arriveAt('h2', one.made);
  // Its old tap is closed: the source passes on what comes, and its standby's kernel takes it.
  await one.guest[Symbol.asyncDispose]();
  await reached(one, ['h1', 'h3']);
  await rig.lab.start('h2');
  await rig.inSync('h2');
  // It announced itself to nobody; its next frame, whatever it is, says where it is.
  await reaches(guest);
  await isAt(one.name, 'h2', 'h1');
  await reached(one);
});

test('an agent that was killed in the middle of joining undoes it, and the source stays as it is', async () => {
  await using one = await onFirst();
  const trace = await rig.trace('h2');
  await rig.lab.kill('h2');
  await rig.client.update('port', one.name, { standby: 'h2' }, { tenant: rig.tenant });
  const { id: port } = one.made.port;
  const half = { port, tenant: rig.tenant, network: 'web', name: one.name, kind: 'tap', ifname: `tap-${one.name}` };
  writeFileSync(
    `${rig.stateDir('h2')}/attachments/${port}.json`,
    JSON.stringify({ ...half, taken: false, queues: 1, owned: true, state: 'attaching' }),
  );
  await rig.lab.start('h2');
  await isAt(one.name, 'h1', undefined);
  await rig.back('h2', trace);
  await reached(one);
});

test('the source’s agent may be dead while the guest goes: its kernel passes nothing on until it is back', async () => {
  await using one = await pair();
  await silence(one.guest);
  await rig.lab.kill('h1');
  await using guest = await arriveAt('h2', one.made);
  await isAt(one.name, 'h2', 'h1');
  await reached(one, ['h2', 'h3']);
  await rig.lab.start('h1');
  await rig.inSync('h1');
  await reached(one);
  await reaches(guest);
  await rig.detach('h1', one.name);
  await isAt(one.name, 'h2', undefined);
});

test('without the controller a guest that comes is reached at once on its new host, and from the others when its old tap is closed', async () => {
  await using one = await pair();
  await using other = await onFirst();
  const behind = await rig.client.create(
    'port',
    { name: `${one.name}-inner`, network: 'web', behind: one.name, ephemeral: true },
    { tenant: rig.tenant, waitMs: 20_000 },
  );
  forgetOthers();
  await rig.lab.kill('controller');
  try {
    await assert.rejects(standBy(other.name), { code: 'CONTROLLER_UNREACHABLE' });
    await silence(one.guest);
    await using guest = await arriveAt('h2', one.made);
    await until('it is heard', 10_000, async () => (record('h2', one)?.heard ? true : undefined));
    await using _machine = await machineIn(guest, behind);
    await reached(one, ['h2']);
    await reachedAt(behind.addresses.slice(0, 1), ['h2']);
    await one.guest[Symbol.asyncDispose]();
    await reached(one);
    await reachedAt(behind.addresses.slice(0, 1));
    await reaches(guest);
    // Neither agent forgets it.
    for (const host of ['h1', 'h2']) {
      await rig.lab.kill(host);
      await rig.lab.start(host);
    }
    await until('both agents answer', 10_000, async () =>
      (await rig.statusIfServed('h1')) && (await rig.statusIfServed('h2')) ? true : undefined,
    );
    await reached(one);
    await rig.lab.start('controller');
    await rig.lab.ready('controller');
    await isAt(one.name, 'h2', 'h1');
    await reached(one);
    await reachedAt(behind.addresses.slice(0, 1));
    await reaches(guest);
  } finally {
    if (rig.lab.pid('controller') === undefined) await rig.lab.start('controller');
    await rig.lab.ready('controller');
  }
});

test('without the controller a source that is detached, of a guest that it does not know to be gone, passes on as well', async () => {
  await using one = await pair();
  await silence(one.guest);
  await rig.lab.kill('controller');
  try {
    await using guest = await arriveAt('h2', one.made);
    await until('it is heard', 10_000, async () => (record('h2', one)?.heard ? true : undefined));
    assert.deepEqual(await rig.detach('h1', one.name), { released: false });
    await reached(one);
    await reaches(guest);
    await rig.lab.start('controller');
    await rig.lab.ready('controller');
    await isAt(one.name, 'h2', undefined);
    await reached(one);
  } finally {
    if (rig.lab.pid('controller') === undefined) await rig.lab.start('controller');
    await rig.lab.ready('controller');
  }
});

test('a port that its host gave an address of its lease moves with that, which the host gives to nobody else', async () => {
  const made = await rig.attach('h1', { kind: 'tap' });
  forgetOthers();
  await rig.portIs(made.port.name, 'up');
  const standby = await rig.attach('h2', { kind: 'tap', port: made.port.name, standby: true });
  assert.equal(standby.ifname, made.ifname);
  {
    await using _guest = await arriveAt('h2', standby);
    await isAt(made.port.name, 'h2', 'h1');
    // Neither may the agent tell of the first before it makes the second.
    await rig.lab.kill('controller');
    try {
      await rig.detach('h1', made.port.id);
      const next = await rig.attach('h1', { kind: 'tap' });
      assert.deepEqual(
        next.port.addresses.filter((ip) => made.port.addresses.includes(ip)),
        [],
      );
      await rig.detach('h1', next.port.id);
    } finally {
      await rig.lab.start('controller');
      await rig.lab.ready('controller');
    }
    await isAt(made.port.name, 'h2', undefined);
    for (const ip of made.port.addresses) assert.ok(await stations.get('h3')!.workload.reaches(ip, 5), ip);
  }
  await rig.detach('h2', made.port.id);
});
