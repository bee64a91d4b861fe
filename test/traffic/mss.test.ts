/** A network that lowers the MSS of TCP: workloads that believe in larger packets, and hear of no other, still get through. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { read16 } from '../datapath/frames.ts';
import { transfer } from './bulk.ts';
import { openPackets } from './packets.ts';
import { openStage, type Stage, type Station } from './stage.ts';

const mtu = 1450;
const raised = 9000;
/** Deaf to ICMP that tells what fits. */
const deaf = `table inet deaf {
  chain input {
    type filter hook input priority filter;
    icmp type destination-unreachable drop
    icmpv6 type packet-too-big drop
  }
}`;

let stage: Stage;
let from: Station;
let beside: Station;
let remote: Station;

before(async () => {
  stage = await openStage(2);
  await stage.network('t', 'net', ['10.26.0.0/24', 'fd26::/64']);
  const attach = (host: number) => stage.attach({ tenant: 't', network: 'net', host });
  [from, beside, remote] = [await attach(0), await attach(0), await attach(1)];
  for (const station of [from, beside, remote]) {
    await stage.exec(station, 'ip', 'link', 'set', station.ifname, 'mtu', `${raised}`);
    await stage.exec(station, 'nft', deaf);
  }
  await stage.settled(remote);
});
after(() => stage?.[Symbol.asyncDispose]());

/** What a SYN, and what its answer, asks for: as the other end sees it. The option is the first. */
async function agreed(to: Station, ip: string): Promise<{ syn: number; answer: number }> {
  const at = ip.includes(':') ? 54 : 34;
  const first = (frames: Uint8Array[], flags: number): number | undefined => {
    const found = frames.find((f) => f[at === 34 ? 23 : 20] === 6 && (f[at + 13]! & 0x12) === flags);
    return found && read16(found, at + 22);
  };
  using there = openPackets(to.netns, to.ifname);
  using here = openPackets(from.netns, from.ifname);
  await transfer(stage, from, to, ip, 1);
  const syn = await until('the SYN', 5_000, () => first(there.received(), 0x02));
  const answer = await until('its answer', 5_000, () => first(here.received(), 0x12));
  return { syn, answer };
}
const clamp = (mssClamp: boolean) =>
  stage.client.update('network', 'net', { mssClamp }, { tenant: 't', waitMs: 20_000 });

test('until it is asked for, workloads agree on what they like', async () => {
  for (const to of [beside, remote]) {
    assert.deepEqual(await agreed(to, to.ip4), { syn: raised - 40, answer: raised - 40 });
    assert.deepEqual(await agreed(to, to.ip6), { syn: raised - 60, answer: raised - 60 });
  }
});

test('then on what fits, both ways, and bulk TCP arrives without a word of ICMP', async () => {
  await clamp(true);
  for (const to of [beside, remote])
    for (const [ip, headers] of [
      [to.ip4, 40],
      [to.ip6, 60],
    ] as const) {
      assert.deepEqual(await agreed(to, ip), { syn: mtu - headers, answer: mtu - headers });
      await transfer(stage, from, to, ip, 8 << 20);
    }
  for (const station of [from, beside, remote]) assert.equal(await stage.count(station, 'too_big'), 0);
});

test('and again on what they like, when it is taken back', async () => {
  await clamp(false);
  assert.deepEqual(await agreed(remote, remote.ip4), { syn: raised - 40, answer: raised - 40 });
});
