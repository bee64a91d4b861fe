/** F1: an agent that ends, in whatever way and however often, loses no reply and closes no connection. */
// exclusive: counts lost packets, and starts an agent 130 times
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { gone, until } from '../../src/lab/processes.ts';
import { PingStream } from '../traffic/ping-stream.ts';
import { Flow } from './flow.ts';
import { openMemoryCgroup } from './memory-cgroup.ts';
import { Rig } from './rig.ts';
import type { Workload } from './workload.ts';

const idle = 200;
let rig: Rig;
let a: Workload;
let b: Workload;
let c: Workload;
/** Addresses that `a` on h1 talks to: of `b` on h2, by both families, and of a neighbour on its own host. */
let far: string;
let far6: string;
let near: string;

before(async () => {
  rig = await Rig.open();
  const workloads = [await rig.workload(), await rig.workload(), await rig.workload()] as const;
  [a, b, c] = workloads;
  const hosts = ['h1', 'h2', 'h1'];
  const ports = await Promise.all(workloads.map((w, i) => rig.attach(hosts[i]!, { target: w.path })));
  for (const { port } of ports) await rig.portIs(port.id, 'up');
  [far = '', far6 = ''] = ports[1]!.port.addresses;
  near = ports[2]!.port.addresses[0]!;
  for (const ip of [far, far6, near]) assert.ok(await a.reaches(ip, 5));
});
after(() => rig?.[Symbol.asyncDispose]());

/** Runs `work` under traffic of all kinds, of which nothing may be lost; says how much it was, and leaves h1 as it was. */
async function underTraffic(t: TestContext, work: () => Promise<void>): Promise<string> {
  const trace = await rig.trace('h1');
  await using stack = new AsyncDisposableStack();
  const flows = {
    pings: stack.use(new PingStream(a.path, far)),
    'IPv6 pings': stack.use(new PingStream(a.path, far6)),
    'local pings': stack.use(new PingStream(a.path, near)),
    'TCP replies': stack.use(await Flow.tcp(a, b, far)),
    'idle connections': stack.use(await Flow.held(a, b, far, idle)),
  };
  await work();
  const tallies = await Promise.all(
    Object.entries(flows).map(async ([name, flow]) => ({ name, ...(await flow.stop()) })),
  );
  for (const { name, sent, received } of tallies) {
    assert.ok(sent >= idle, `${sent} ${name}`);
    if (received !== sent) t.diagnostic(await whatWasDropped());
    assert.equal(received, sent, name);
  }
  await rig.back('h1', trace);
  return tallies.map(({ name, received }) => `${received} ${name}`).join(', ');
}

/** Where a packet may have been lost: what the datapath counted, and the workloads' own stacks. */
async function whatWasDropped(): Promise<string> {
  const counters = await Promise.all(['h1', 'h2'].map(async (host) => (await rig.status(host)).counters));
  const stacks = await Promise.all([a, b, c].map((w) => w.exec(['cat', '/proc/net/snmp', '/proc/net/snmp6'])));
  return [JSON.stringify(counters), ...stacks.map(({ stdout }) => stdout)].join('\n');
}

/** Ends h1's agent and starts it again, over and over, each time as soon as the new one is in sync. */
async function restart(times: number, end: (pid: number) => Promise<void>): Promise<void> {
  for (let i = 0; i < times; i++) {
    await end(rig.lab.pid('h1')!);
    await rig.lab.start('h1');
    await rig.inSync('h1', 60_000);
  }
}

const signals = { SIGTERM: 20, SIGKILL: 100 } as const;
for (const [signal, times] of Object.entries(signals) as [keyof typeof signals, number][])
  test(`nothing is lost while an agent gets ${signal} and starts again ${times} times`, async (t) => {
    t.diagnostic(await underTraffic(t, () => restart(times, () => rig.lab.kill('h1', signal))));
  });

// Not 60 s: all that there is to outlast is the controller's patience, after which it takes the host for offline.
test('nothing is lost while an agent is stopped for 20 s, and it then learns what it has missed', async (t) => {
  await using late = await rig.workload();
  const { tenant, client } = rig;
  const said = await underTraffic(t, async () => {
    const over = delay(20_000); // nothing to wait for: what is tested is that nothing happens
    await rig.lab.kill('h1', 'SIGSTOP');
    const condition = async () => (await client.get('host', 'h1')).status.condition;
    await until('h1 is offline', 60_000, async () => ((await condition()) === 'offline' ? true : undefined));
    const { port } = await rig.attach('h2', { target: late.path });
    await over;
    await rig.lab.kill('h1', 'SIGCONT');
    await rig.lab.ready('h1', 60_000);
    await client.update('port', port.id, { labels: { seen: 'yes' } }, { tenant, waitMs: 60_000 });
    assert.ok(await a.reaches(port.addresses[0]!, 5));
    await rig.detach('h2', port.id);
  });
  t.diagnostic(said);
});

const group = openMemoryCgroup(`heddle-test-${randomBytes(4).toString('hex')}`);
after(() => group?.[Symbol.dispose]());
test('nothing is lost while the kernel kills an agent for want of memory 10 times', {
  skip: group ? false : 'no memory control group can be made here',
}, async (t) => {
  const times = 10;
  const said = await underTraffic(t, () =>
    restart(times, async (pid) => {
      group!.take(pid);
      // Any page that it now asks for is one too many.
      await until('the kernel kills the agent', 30_000, async () => {
        await rig.statusIfServed('h1');
        return rig.lab.pid('h1') === undefined ? true : undefined;
      });
      await gone([pid]);
    }),
  );
  t.diagnostic(said);
  // A program that the agent runs at that moment may be killed beside it.
  assert.ok(group!.kills >= times, `${group!.kills} kills`);
});
