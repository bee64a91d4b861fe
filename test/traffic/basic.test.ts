/**
 * The shortest test of everything together: two hosts, two tenants, real packets. It runs on Debian's kernel under QEMU as
 * well, where a second takes twenty.
 */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { hasCode } from '../../src/model/errors.ts';
import { transfer } from './bulk.ts';
import { openPackets } from './packets.ts';
import { openStage, type Stage, type Station } from './stage.ts';

let stage: Stage;
let a1: Station;
let a2: Station;
let a3: Station;
let b1: Station;
let b2: Station;
const prefixes = ['10.7.0.0/24', 'fd07::/64'];
/** An option for a ping that must not be answered. */
const briefly = ['-w', '1'];
const addresses = (n: number): string[] => [`10.7.0.${n}`, `fd07::${n}`];

before(async () => {
  stage = await openStage(2);
  for (const tenant of ['a', 'b']) await stage.network(tenant, 'net', prefixes);
  const attach = (tenant: string, host: number, n: number) =>
    stage.attach({ tenant, network: 'net', host, addresses: addresses(n) });
  a1 = await attach('a', 0, 11);
  a2 = await attach('a', 1, 12);
  a3 = await attach('a', 0, 13);
  b1 = await attach('b', 0, 11);
  b2 = await attach('b', 1, 12);
  await stage.settled(a2);
  await stage.settled(b2);
});
after(() => stage?.[Symbol.asyncDispose]());

test('ports of one network reach each other by IPv4 and IPv6, on one host and across hosts', async () => {
  for (const to of [a2, a3]) for (const ip of [to.ip4, to.ip6]) await stage.ping(a1, ip);
  for (const ip of [b2.ip4, b2.ip6]) await stage.ping(b1, ip);
});

test('a workload is answered while its device’s queue, which the kernel starts late, takes nothing', async () => {
  const onHost = (...argv: string[]) => a1.host.exec(argv);
  const closed = await onHost('tc', 'qdisc', 'replace', 'dev', a1.device, 'root', 'pfifo', 'limit', '0');
  assert.equal(closed.code, 0, closed.stderr);
  try {
    await stage.exec(a1, 'ip', 'neigh', 'flush', 'all');
    await stage.ping(a1, a2.ip4);
    await stage.ping(a1, a3.ip6);
  } finally {
    const opened = await onHost('tc', 'qdisc', 'del', 'dev', a1.device, 'root');
    assert.equal(opened.code, 0, opened.stderr);
  }
});

test('a TCP transfer arrives unchanged, in both directions', async () => {
  await transfer(stage, a1, a2, a2.ip4, 4 << 20);
  await transfer(stage, a2, a1, a1.ip6, 4 << 20);
});

test('two tenants with the same addresses reach only their own', async () => {
  using seenByB = openPackets(b2.netns, b2.ifname);
  using seenByA = openPackets(a2.netns, a2.ifname);
  await stage.ping(a1, a2.ip4, '-p', 'aabbaabbaabbaabb');
  assert.ok(seenByA.received().length > 0);
  assert.deepEqual(seenByB.received(), []);
  await assert.rejects(stage.ping(b1, '10.7.0.13', ...briefly), /0 received/);
  assert.ok((await stage.count(b1, 'arp_unknown')) > 0);
});

test('a detached workload has no interface and is not reached any more', async () => {
  await stage.detach(a3);
  await assert.rejects(stage.exec(a3, 'ip', 'link', 'show', a3.ifname), /does not exist/);
  await assert.rejects(stage.ping(a1, a3.ip4, ...briefly), /0 received/);
  await assert.rejects(stage.client.get('port', a3.port.id, { tenant: 'a' }), (e) => hasCode(e, 'NOT_FOUND'));
  await stage.ping(a1, a2.ip4);
});
