/** Bulk TCP between hosts is right to the last byte, whatever the devices offload. */
// exclusive: moves 8 GiB
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { transfer } from './bulk.ts';
import { openStage, type Stage, type Station } from './stage.ts';

const bytes = 2 ** 30;
const features = ['tx', 'rx', 'sg', 'tso', 'gso', 'gro'];

let stage: Stage;
let left: Station;
let right: Station;

before(async () => {
  stage = await openStage(2);
  await stage.network('t', 'net', ['10.14.0.0/24', 'fd14::/64']);
  left = await stage.attach({ tenant: 't', network: 'net', host: 0 });
  right = await stage.attach({ tenant: 't', network: 'net', host: 1 });
  await stage.settled(right);
});
after(() => stage?.[Symbol.asyncDispose]());

/** Switches the offloads of every device that the packets meet on a host and in its workload. */
async function setOffloads({ host, device, ifname, workload }: Station, state: 'on' | 'off'): Promise<void> {
  const settings = features.flatMap((feature) => [feature, state]);
  const set = (name: string) => ['ethtool', '-K', name, ...settings];
  for (const name of [device, 'eth0']) assert.equal((await host.exec(set(name))).code, 0);
  assert.equal((await stage.lab.execIn(workload, set(ifname))).code, 0);
}

for (const state of ['on', 'off'] as const)
  test(`1 GiB in each direction, by IPv4 and IPv6, arrives unchanged with offloads ${state}`, async (t) => {
    for (const station of [left, right]) await setOffloads(station, state);
    for (const [from, to] of [[left, right] as const, [right, left] as const])
      for (const ip of [to.ip4, to.ip6]) {
        const seconds = await transfer(stage, from, to, ip, bytes);
        t.diagnostic(`${((bytes * 8) / seconds / 1e9).toFixed(1)} Gbit/s to ${ip}`);
      }
  });

test('none of it was dropped by the datapath, and none took the slow path', async () => {
  for (const station of [left, right]) {
    const { reasons } = await stage.counters(station);
    for (const reason of ['slow_tx', 'slow_rx', 'too_big', 'encap_failed', 'ip4_header', 'ip6_header'])
      assert.equal(reasons[reason], undefined, reason);
  }
  for (const host of [0, 1]) assert.deepEqual(await stage.hostReasons(host), {});
});
