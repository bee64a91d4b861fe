/** Not one packet of a steady stream is lost while the control plane dies, comes back, and is busy. */
// exclusive: counts lost packets
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PingStream } from './ping-stream.ts';
import { openStage, type Stage, type Station } from './stage.ts';

const ports = 1000;
const namespaces = 100;
const atOnce = 8;

let stage: Stage;
let left: Station;
let right: Station;

before(async () => {
  stage = await openStage(2);
  await stage.network('t', 'net', ['10.15.0.0/16', 'fd15::/64']);
  left = await stage.attach({ tenant: 't', network: 'net', host: 0 });
  right = await stage.attach({ tenant: 't', network: 'net', host: 1 });
  await stage.settled(right);
});
after(() => stage?.[Symbol.asyncDispose]());

/** Runs `work` under a thousand pings a second by IPv4 and by IPv6 in each direction, of which none may be lost. Says how many there were. */
async function withoutLoss(work: () => Promise<unknown>): Promise<string> {
  await using stack = new AsyncDisposableStack();
  const began = performance.now();
  const ways = [
    [left, right.ip4],
    [left, right.ip6],
    [right, left.ip4],
    [right, left.ip6],
  ] as const;
  const streams = ways.map(([from, to]) => stack.use(new PingStream(from.netns, to)));
  await work();
  const tallies = await Promise.all(streams.map((stream) => stream.stop()));
  const seconds = (performance.now() - began) / 1000;
  for (const { sent, received } of tallies) assert.equal(received, sent);
  return tallies.map(({ sent }) => `${sent} pings, ${Math.round(sent / seconds)} a second`).join('; ');
}

/** Calls `work` with 0 to `count` − 1, several at a time. */
async function concurrently(count: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let n = next++; n < count; n = next++) await work(n);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

for (const target of ['h1', 'h2', 'controller'])
  test(`nothing is lost while ${target} is killed and started again`, async (t) => {
    const said = await withoutLoss(async () => {
      await stage.lab.kill(target);
      await stage.lab.start(target);
      await stage.lab.ready(target);
      await stage.lab.allOnline(20_000);
      await stage.settled(left);
    });
    t.diagnostic(said);
  });

test('nothing is lost while 1,000 ports of both hosts come and go', async (t) => {
  const said = await withoutLoss(async () => {
    const ids: string[] = [];
    await concurrently(ports, async (n) => {
      const { id } = await stage.client.create('port', { network: 'net', host: `h${(n % 2) + 1}` }, { tenant: 't' });
      ids.push(id);
    });
    await stage.settled(left);
    await concurrently(ports, (n) => stage.client.remove('port', ids[n]!, { tenant: 't' }));
    await stage.settled(left);
  });
  t.diagnostic(said);
});

test('nothing is lost while 100 namespaces are attached and detached', async (t) => {
  const said = await withoutLoss(async () => {
    const stations: Station[] = [];
    await concurrently(namespaces, async (n) => {
      stations.push(await stage.attach({ tenant: 't', network: 'net', host: n % 2 }));
    });
    await stage.ping(stations[0]!, stations[namespaces - 1]!.ip4);
    await concurrently(namespaces, async (n) => {
      await stage.detach(stations[n]!);
      await stage.lab.removeWorkload(stations[n]!.workload);
    });
  });
  t.diagnostic(said);
});
