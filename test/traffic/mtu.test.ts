/** A workload that raises its MTU is told what fits, and goes on with that. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { transfer } from './bulk.ts';
import { openStage, type Stage, type Station } from './stage.ts';

const underlayMtu = 1500;
const mtu = underlayMtu - 50;
const raised = 9000;
/** IP header and ICMP header, bytes. */
const headers = { 4: 28, 6: 48 } as const;

let stage: Stage;
let from: Station;
let beside: Station;
let remote: Station;

before(async () => {
  stage = await openStage(2);
  await stage.network('t', 'net', ['10.16.0.0/24', 'fd16::/64']);
  const attach = (host: number) => stage.attach({ tenant: 't', network: 'net', host });
  from = await attach(0);
  beside = await attach(0);
  remote = await attach(1);
  await stage.settled(remote);
});
after(() => stage?.[Symbol.asyncDispose]());

const address = (station: Station, family: 4 | 6): string => (family === 4 ? station.ip4 : station.ip6);
/** One ping whose IP packet has this size and may not be fragmented. */
const sized = (to: Station, family: 4 | 6, bytes: number): Promise<void> =>
  stage.ping(from, address(to, family), '-M', 'do', '-s', `${bytes - headers[family]}`);
/** The path MTU that the sender's kernel has learnt. */
async function learnt(to: Station, family: 4 | 6): Promise<number | undefined> {
  const route = await stage.exec(from, 'ip', `-${family}`, 'route', 'get', address(to, family));
  const found = /\bmtu (\d+)/.exec(route)?.[1];
  return found === undefined ? undefined : Number(found);
}

test('a workload’s device has the underlay’s MTU less the encapsulation, and packets of that size pass', async () => {
  assert.match(await stage.exec(from, 'ip', 'link', 'show', from.ifname), new RegExp(`mtu ${mtu}\\b`));
  for (const to of [remote, beside]) for (const family of [4, 6] as const) await sized(to, family, mtu);
});

test('larger ones are refused with ICMP that names the MTU, by IPv4 and IPv6', async () => {
  await stage.exec(from, 'ip', 'link', 'set', from.ifname, 'mtu', `${raised}`);
  for (const to of [remote, beside])
    for (const family of [4, 6] as const) {
      const before = await stage.counters(from);
      const told = new RegExp(
        family === 4 ? `Frag needed and DF set \\(mtu = ${mtu}\\)` : `Packet too big: mtu=${mtu}`,
      );
      await assert.rejects(sized(to, family, mtu + 1), told);
      const { reasons } = await stage.counters(from);
      for (const reason of ['too_big', 'too_big_told'])
        assert.ok(Number(reasons[reason]) > Number(before.reasons[reason] ?? 0), reason);
      assert.equal(await learnt(to, family), mtu);
      await sized(to, family, mtu);
    }
});

test('TCP that was told goes on with the size that fits', async () => {
  for (const station of [beside, remote])
    await stage.exec(station, 'ip', 'link', 'set', station.ifname, 'mtu', `${raised}`);
  for (const family of [4, 6] as const) {
    await stage.exec(from, 'ip', `-${family}`, 'route', 'flush', 'cache');
    await transfer(stage, from, remote, address(remote, family), 8 << 20);
    assert.equal(await learnt(remote, family), mtu);
  }
});
