/** What programs see of a router: Debian's traceroute and tracepath, and an open TCP connection whose route changes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { serve } from '../gateway/server.ts';
import { openStage, type Stage, type Station } from '../traffic/stage.ts';
import { Session } from './session.ts';

const waitMs = 20_000;
let stage: Stage;
/** On network left of host 1. */
let left: Station;
/** On network right of host 1, and of host 2. */
let near: Station;
let far: Station;
/** What is behind `far`. */
const behind = { 4: '172.29.0.1', 6: 'fd29::1' } as const;

const setRoutes = (routes: { destination: string; via?: string }[]): Promise<unknown> =>
  stage.client.update('router', 'r', { routes }, { tenant: 't', waitMs });
const ip = (station: Station, family: 4 | 6): string => (family === 4 ? station.ip4 : station.ip6);
const families = [4, 6] as const;
const gateways = { 4: '10.67.0.1', 6: 'fd67::1' } as const;
const leadThere = () =>
  setRoutes([
    { destination: '172.29.0.0/16', via: far.ip4 },
    { destination: 'fd29::/64', via: far.ip6 },
  ]);

before(async () => {
  stage = await openStage(2);
  await stage.network('t', 'left', ['10.67.0.0/24', 'fd67::/64']);
  await stage.network('t', 'right', ['10.68.0.0/24', 'fd68::/64']);
  left = await stage.attach({ tenant: 't', network: 'left', host: 0 });
  near = await stage.attach({ tenant: 't', network: 'right', host: 0 });
  far = await stage.attach({ tenant: 't', network: 'right', host: 1 });
  const subnets = ['left-4', 'left-6', 'right-4', 'right-6'];
  await stage.client.create('router', { name: 'r', subnets }, { tenant: 't', waitMs });
  await stage.exec(far, 'ip', 'address', 'add', `${behind[4]}/32`, 'dev', 'lo');
  await stage.exec(far, 'ip', 'address', 'add', `${behind[6]}/128`, 'dev', 'lo', 'nodad');
  await leadThere();
});
after(() => stage?.[Symbol.asyncDispose]());

/** The addresses that answered for each hop. */
const hopsOf = (text: string): string[] =>
  [...text.matchAll(/^ *(\d+)\??: +(\S+)|^ *(\d+) +(\S+)/gm)].map(([, , path, , route]) => path ?? route ?? '');

test('what has an address behind itself finds its gateway with a packet from there', async () => {
  for (const family of families) {
    await stage.exec(far, 'ip', `-${family}`, 'neighbour', 'flush', 'dev', far.ifname);
    await stage.ping(left, behind[family]);
  }
});

const probes = { UDP: [], ICMP: ['-I'], TCP: ['-T', '-p', '9'] } as const;
for (const family of families)
  for (const [name, options] of Object.entries(probes))
    test(`traceroute by ${name} shows the router, in the sender’s own subnet, and then the target (IPv${family})`, async () => {
      const trace = (to: string) =>
        stage.exec(left, 'traceroute', `-${family}`, '-n', '-w', '5', '-m', '4', '-q', '1', '-N', '1', ...options, to);
      for (const to of [ip(near, family), ip(far, family), behind[family]])
        assert.deepEqual(hopsOf(await trace(to)), [gateways[family], to]);
    });

for (const family of families)
  test(`tracepath finds the router, the target and the path’s MTU (IPv${family})`, async () => {
    for (const to of [near, far]) {
      const text = await stage.exec(left, 'tracepath', `-${family}`, '-n', '-m', '4', ip(to, family));
      assert.deepEqual(hopsOf(text).slice(-2), [gateways[family], ip(to, family)], text);
      assert.match(text, /Resume: pmtu 1450 hops 2/);
    }
  });

test('a smaller network behind the router is found by tracepath', async () => {
  await stage.client.update('network', 'right', { mtuBytes: 1300 }, { tenant: 't', waitMs });
  for (const family of families) {
    const text = await stage.exec(left, 'tracepath', `-${family}`, '-n', '-m', '4', ip(far, family));
    assert.match(text, /Resume: pmtu 1300 hops 2/);
  }
  await stage.client.update('network', 'right', { mtuBytes: null }, { tenant: 't', waitMs });
});

for (const family of families)
  test(`an open TCP connection stands still while its route is a blackhole, and goes on when it is not (IPv${family})`, async () => {
    using server = serve(far.netns, 'tcp', behind[family], 7300, 'session…');
    await using session = new Session(left.netns, behind[family], 7300);
    const moves = (from: number) => until('answers come', 30_000, () => (session.answers > from ? true : undefined));
    await moves(5);
    const before = await stage.count(left, 'blackhole');
    const dropped = (n: number) =>
      until('the route drops', 30_000, async () =>
        (await stage.count(left, 'blackhole')) >= before + n ? true : undefined,
      );
    await setRoutes(families.map((f) => ({ destination: f === 4 ? '172.29.0.0/16' : 'fd29::/64' })));
    // An answer may have been on its way; none of what is sent from now on arrives.
    await dropped(1);
    const { answers } = session;
    await dropped(3);
    assert.equal(session.answers, answers);
    await leadThere();
    await moves(answers + 5);
    assert.ok(session.isOpen);
    assert.equal(server.seen.length, 1, 'it is the same connection');
  });
