/** Routed traffic goes on while agents end and come back, and while the router changes. */
// exclusive: counts lost packets
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { PingStream } from '../traffic/ping-stream.ts';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';

let stage: Stage;
let left: Station;
let right: Station;

before(async () => {
  stage = await openStage(2);
  await stage.network('t', 'left', ['10.63.0.0/24', 'fd63::/64']);
  await stage.network('t', 'right', ['10.64.0.0/24', 'fd64::/64']);
  left = await stage.attach({ tenant: 't', network: 'left', host: 0 });
  right = await stage.attach({ tenant: 't', network: 'right', host: 1 });
  const subnets = ['left-4', 'left-6', 'right-4', 'right-6'];
  await stage.client.create('router', { name: 'r', subnets }, { tenant: 't', waitMs: 20_000 });
  await stage.ping(left, right.ip4);
});
after(() => stage?.[Symbol.asyncDispose]());

async function withoutLoss(work: () => Promise<unknown>): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const ways = [
    [left, right.ip4],
    [right, left.ip6],
  ] as const;
  const streams = ways.map(([from, to]) => stack.use(new PingStream(from.netns, to)));
  await work();
  for (const stream of streams) {
    const { sent, received } = await stream.stop();
    assert.equal(received, sent);
  }
}

test('nothing is lost while an agent is killed and started again', () =>
  withoutLoss(async () => {
    await stage.lab.kill('h1');
    await stage.lab.start('h1');
    await stage.lab.ready('h1');
    await stage.lab.allOnline(20_000);
    await stage.settled(left);
  }));

test('nothing is lost while routes come and go', () =>
  withoutLoss(async () => {
    for (let n = 0; n < 10; n++) {
      const routes = Array.from({ length: 100 }, (_, i) => ({ destination: `172.${16 + n}.${i}.0/24` }));
      await stage.client.update('router', 'r', { routes }, { tenant: 't', waitMs: 20_000 });
    }
  }));
