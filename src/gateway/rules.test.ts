/** What the rulesets say; that they do it is shown in test/gateway. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip } from '../model/address.ts';
import { type GatewayRules, gatewayRules } from './gateway-rules.ts';
import { Guard } from './guard.ts';
import { hostRules, type Way } from './host-rules.ts';
import { linkAddresses } from './link-addresses.ts';
import { planEntries } from './published.ts';
import { controlPlaneOf } from './uplinks.ts';

const published = planEntries([
  { addresses: ['10.0.0.2', 'fd00::2'] as Ip[], publish: [{ protocol: 'tcp', port: 80, hostPort: 8080 }] },
]);
const gateway = (over: Partial<GatewayRules> = {}): string =>
  gatewayRules({
    addresses: ['10.0.0.1', 'fd00::1'] as Ip[],
    link: linkAddresses(0),
    sourceNat: true,
    published,
    vxlanPort: 4789,
    connectionsMax: 1000,
    ...over,
  });
const way = (over: Partial<Way> = {}): Way => ({
  device: 'ho1',
  link: linkAddresses(0),
  sourceNat: true,
  published,
  publishFrom: [],
  subnets: ['10.0.0.0/24'],
  ...over,
});
const host = (...ways: Way[]): string =>
  hostRules({
    ways,
    vxlanPort: 4789,
    opened: { ipv4: ['eth0'], ipv6: [] },
    uplinks: ['eth0'],
    controlPlane: controlPlaneOf('http://192.0.2.7:7470'),
  });
/** The lines of a chain, without its hook. */
const chainOf = (rules: string, name: string): string[] =>
  (rules.split(`  chain ${name} {\n`)[1]?.split('\n  }')[0] ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => !line.startsWith('type '));

test('no base chain drops by its policy: a ruleset that is being replaced loses nothing', () => {
  for (const rules of [gateway(), host(way())]) assert.doesNotMatch(rules, /policy drop/);
});

test('every filter of a gateway ends with no', () => {
  assert.equal(chainOf(gateway(), 'input').at(-1), 'drop');
  assert.match(chainOf(gateway(), 'forward').at(-1)!, /^reject/);
});

test('without source NAT nothing begins outwards', () => {
  const out = (rules: string) => chainOf(rules, 'forward').filter((r) => /oifname "outside".*accept/.test(r));
  assert.equal(out(gateway()).length, 2);
  assert.deepEqual(out(gateway({ sourceNat: false })), []);
  assert.doesNotMatch(host(way({ sourceNat: false })), /set outgoing \{[^}]*ho1/);
});

test('what a network allows no more is judged before what is open', () => {
  const forward = (rules: string) => chainOf(rules, 'forward');
  const open = (rules: readonly string[]) => rules.indexOf('ct state established accept');
  const judged = (rules: readonly string[], what: RegExp) => rules.slice(0, open(rules)).filter((r) => what.test(r));
  assert.equal(judged(forward(gateway()), /direction original .*@servers[46] drop/).length, 2);
  assert.match(gateway(), /set servers4 \{[^}]*tcp \. 10\.0\.0\.2 \. 80 \}/);
  assert.deepEqual(judged(forward(gateway()), /oifname "outside" ct direction/), []);
  assert.equal(
    judged(forward(gateway({ sourceNat: false })), /"outside" .*ct direction (original rej|reply drop)/).length,
    2,
  );
});

test('one port has a quarter of its network’s connections, in lists that none can choose, and that are full together', () => {
  // A quarter of the tables of machines, from 1 GiB, and so many networks of a tenant there.
  for (const all of [16_384, 65_536, 262_144])
    for (const networks of [1, 2, 16, 64, 100, 1000]) {
      const connectionsMax = Math.ceil(all / networks);
      const bounded = chainOf(gateway({ connectionsMax }), 'bounded');
      const lists = bounded.flatMap((rule) => /mod (\d+)/.exec(rule)?.[1] ?? []).map(Number);
      const longest = bounded.flatMap((rule) => /over (\d+)/.exec(rule)?.[1] ?? []).map(Number);
      const shares = lists.map((count, n) => count * longest[n]!);
      const most = [connectionsMax / 4, connectionsMax];
      assert.ok(
        shares.every((share, n) => share >= most[n]! && share <= most[n]! * 1.02 + 1),
        `${shares} of ${most}`,
      );
      // Lists of fewer would be full by chance while others have room.
      assert.ok(
        longest.every((length, n) => lists[n] === 1 || length >= 256),
        `${lists} of ${longest}`,
      );
      assert.doesNotMatch(bounded.join(), /seed/);
    }
});

test('the VXLAN port is closed before anything is open', () => {
  for (const first of [chainOf(gateway(), 'forward')[0], chainOf(host(way()), 'outward')[0]])
    assert.match(first!, /udp th dport 4789 drop/);
});

test('before anything may go outwards, the control plane and what is on the host itself are closed', () => {
  const outward = chainOf(host(way()), 'outward');
  assert.equal(outward[1], 'ip daddr 192.0.2.7 tcp dport 7470 drop');
  assert.equal(outward.at(-1), 'meta oifkind { "bridge", "veth" } oifname != @uplinks drop');
});

test('what a port published that has moved takes what is open, and nothing new', () => {
  const rules = gateway({ published: [], left: published });
  assert.match(rules, /set servers4 \{[^\n]* tcp \. 10\.0\.0\.2 \. 80 /);
  assert.match(rules, /map published4 \{ type [^\n]*; {2}\}/);
});

test('what is guarded is closed to workloads, beginning with what they have open', () => {
  const rules = hostRules({
    ...{ ways: [way()], vxlanPort: 4789, opened: { ipv4: [], ipv6: [] }, uplinks: [] },
    guard: new Guard(['198.18.0.0/16', '2001:db8:f::/64']).rules,
  });
  const outward = chainOf(rules, 'outward');
  assert.equal(outward[1], 'jump closed');
  assert.ok(outward.findIndex((rule) => rule.includes('established')) > 1);
  assert.deepEqual(chainOf(rules, 'closed').slice(2), [
    'ip daddr 198.18.0.0/16 drop',
    'ip6 daddr 2001:db8:f::/64 drop',
  ]);
});

test('a controller is closed where its URL has an address', () => {
  const at = (url: string) => Object.values(controlPlaneOf(url) ?? {}).join(' ');
  assert.deepEqual(
    [
      'http://192.0.2.7:7470',
      'https://[2001:db8::7]',
      'http://192.0.2.7',
      'unix:///run/heddle.sock',
      'http://heddle:1',
      '',
    ].map(at),
    ['192.0.2.7 7470', '2001:db8::7 443', '192.0.2.7 80', '', '', ''],
  );
});

test('a gateway without a way outside passes nothing and asks its own names only', () => {
  const { link: _link, ...closed } = {
    link: undefined,
    addresses: ['10.0.0.1' as Ip],
    sourceNat: true,
    published: [],
    vxlanPort: 4789,
    connectionsMax: 1000,
  };
  const rules = gatewayRules(closed);
  assert.deepEqual(
    chainOf(rules, 'forward').filter((r) => /accept|reject/.test(r)),
    ['iifname "tenant" oifname "tenant" accept', 'reject with icmpx admin-prohibited'],
  );
  assert.deepEqual(chainOf(rules, 'prerouting'), [
    'iifname "tenant" meta nfproto ipv4 meta l4proto { tcp, udp } th dport 53 dnat ip to 10.0.0.1',
  ]);
});

test('an allow list ends with no, and a network without one has none', () => {
  const guarded = host(way({ publishFrom: ['192.0.2.0/24', '0.0.0.0/0'] }));
  assert.deepEqual(chainOf(guarded, 'from_ho1'), ['ip saddr 192.0.2.0/24 accept', 'meta nfproto ipv4 accept', 'drop']);
  assert.equal(chainOf(guarded, 'inward')[1], 'oifname "ho1" ct status dnat ct direction original jump from_ho1');
  assert.deepEqual(chainOf(host(way()), 'inward'), [
    'ct state related accept',
    'ct state established accept',
    'meta l4proto tcp tcp flags & (fin | syn | rst | ack) != syn drop',
    'ct status dnat accept',
    'drop',
  ]);
});
