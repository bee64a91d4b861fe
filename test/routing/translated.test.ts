/** Two tenants with equal addresses on two hosts, each of which sees the other under other prefixes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { transfer } from '../traffic/bulk.ts';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';

const waitMs = 20_000;
const network = ['10.63.0.0/24', 'fd63::/64'];
/** How each tenant’s network is seen by the other. */
const seen = { a: ['100.64.1.0/24', 'fd64:1::/64'], b: ['100.64.2.0/24', 'fd64:2::/64'] } as const;
type Tenant = keyof typeof seen;

let stage: Stage;
/** Of tenant a on host 1; of tenant b on both. */
let mine: Station;
let near: Station;
let far: Station;

before(async () => {
  stage = await openStage(2);
  for (const tenant of ['a', 'b']) await stage.network(tenant, 'net', network);
  const attach = (tenant: string, host: number, n: number) =>
    stage.attach({ tenant, network: 'net', host, addresses: [`10.63.0.${n}`, `fd63::${n}`] });
  mine = await attach('a', 0, 11);
  near = await attach('b', 0, 11);
  far = await attach('b', 1, 12);
  const subnets = ['net-4', 'net-6'];
  const routers = { a: '', b: '' };
  for (const tenant of ['a', 'b'] as const) {
    const translations = subnets.map((subnet, i) => ({ subnet, as: seen[tenant][i]! }));
    routers[tenant] = (await stage.client.create('router', { name: 'r', subnets, translations }, { tenant })).id;
  }
  await stage.client.update('router', 'r', { peers: [routers.b] }, { tenant: 'a' });
  await stage.client.update('router', 'r', { peers: [routers.a] }, { tenant: 'b', waitMs });
});
after(() => stage?.[Symbol.asyncDispose]());

/** A station’s addresses as the other tenant sees them. */
const shown = (tenant: Tenant, { ip4, ip6 }: Station): [string, string] => {
  const [prefix4, prefix6] = seen[tenant];
  return [ip4.replace(/^10\.63\.0\./, prefix4.replace('0/24', '')), ip6.replace('fd63::', prefix6.replace('/64', ''))];
};

test('they reach each other by the prefixes that they show, on one host and across hosts, and not by their own', async () => {
  for (const theirs of [near, far]) {
    for (const ip of shown('b', theirs)) await stage.ping(mine, ip);
    for (const ip of shown('a', mine)) await stage.ping(theirs, ip);
  }
  // In tenant a, nobody has this address.
  await assert.rejects(stage.ping(mine, far.ip4, '-w', '1'));
  for (const ip of ['100.64.2.1', 'fd64:2::1']) await assert.rejects(stage.ping(mine, ip, '-w', '1'));
  assert.ok((await stage.count(mine, 'blackhole')) >= 2, 'the other’s gateway is for its own tenant');
});

test('TCP arrives unchanged, both ways', async () => {
  for (const theirs of [near, far]) {
    for (const ip of shown('b', theirs)) await transfer(stage, mine, theirs, ip, 4 << 20);
    for (const ip of shown('a', mine)) await transfer(stage, theirs, mine, ip, 4 << 20);
  }
});

test('an ICMP error of the other side is about the packet as it was sent, so that the kernel tells the program', async () => {
  for (const theirs of [near, far])
    for (const ip of shown('b', theirs)) {
      const script = `exec 3<>/dev/udp/${ip}/9; echo x >&3; read -t 10 -u 3`;
      const { code, stderr } = await stage.lab.execIn(mine.workload, ['bash', '-c', script], {
        signal: AbortSignal.timeout(20_000),
      });
      assert.notEqual(code, 0);
      assert.match(stderr, /Connection refused/, ip);
    }
});
