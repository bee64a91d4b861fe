import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gatewayMac, type Ip, type Mac } from '../../model/address.ts';
import type { PortItem } from '../../model/host-state.ts';
import { type HostNumber, newId, type PortId } from '../../model/ids.ts';
import { type Change, Learning, learningPace } from './learning.ts';

const a = '02:00:00:00:00:0a' as Mac;
const b = '02:00:00:00:00:0b' as Mac;
const [ip1, ip2, ip6] = ['10.0.0.1', '10.0.0.2', 'fd00::1'] as Ip[] as [Ip, Ip, Ip];

const ageMs = 300_000;

/** A network of which every address but those of 9.0.0.0/8 is inside. */
class World {
  readonly learned = new Map<PortId, PortItem>();
  readonly others: PortItem[] = [];
  limit = 10;
  readonly learning = new Learning(
    {
      byMac: (mac) => this.#all.find((p) => p.mac === mac),
      byIp: (ip) => this.#all.find((p) => p.addresses.includes(ip)),
      isInside: (ip) => !ip.startsWith('9.'),
      learned: this.learned,
      ageMs,
      get limit() {
        return world.limit;
      },
    },
    () => 0,
  );
  get #all(): PortItem[] {
    return [...this.learned.values(), ...this.others];
  }
  /** What the controller would do. */
  obey(now: number): Change[] {
    const changes: Change[] = [];
    for (let c = this.learning.take(); c; c = this.learning.take()) {
      changes.push(c);
      if (c.port) this.learned.delete(c.port);
      const item = port(c.mac, c.addresses, c.port);
      if (c.addresses.length > 0) this.learned.set(item.id, item);
      this.learning.done(c, now);
    }
    return changes;
  }
}
let world: World;
const port = (mac: Mac, addresses: readonly Ip[], id = newId<PortId>()) =>
  ({ kind: 'port', id, mac, addresses, host: 1 as HostNumber, name: '' }) as unknown as PortItem;
const fresh = (): World => {
  world = new World();
  return world;
};

test('a machine that is heard becomes a port, and one that has another address is changed', () => {
  const { learning } = fresh();
  learning.heard({ mac: a, ip: ip1 }, 0);
  learning.heard({ mac: a, ip: ip1 }, 1);
  assert.deepEqual(learning.take(), { mac: a, addresses: [ip1], added: [ip1] });
  assert.equal(learning.take(), undefined);
  // The answer is on its way: what is heard again meanwhile is not asked for again.
  learning.done({ mac: a, addresses: [ip1], added: [ip1] }, 2);
  learning.heard({ mac: a, ip: ip1 }, 3);
  assert.equal(learning.take(), undefined);
  const known = port(a, [ip1]);
  world.learned.set(known.id, known);
  learning.heard({ mac: a, ip: ip6 }, 4);
  assert.deepEqual(learning.take(), { mac: a, port: known.id, addresses: [ip1, ip6], added: [ip6] });
});

test('what is heard while the controller is asked, or its answer is on its way, waits', () => {
  const { learning, learned } = fresh();
  learning.heard({ mac: a, ip: ip1 }, 0);
  const change = learning.take()!;
  learning.heard({ mac: a, ip: ip6 }, 1);
  assert.equal(learning.take(), undefined);
  learning.done(change, 2);
  assert.equal(learning.take(), undefined);
  const known = port(a, [ip1]);
  learned.set(known.id, known);
  assert.deepEqual(learning.take()?.addresses, [ip1, ip6]);
});

test('addresses heard before the controller could be asked are asked for together', () => {
  const { learning } = fresh();
  for (const ip of [ip1, ip6]) learning.heard({ mac: a, ip }, 0);
  const change = learning.take()!;
  learning.again(change);
  assert.deepEqual(learning.take(), { mac: a, addresses: [ip1, ip6], added: [ip1, ip6] });
});

test('what is outside the subnets, of a gateway or of another port, or has its address from another is not asked for', () => {
  const { learning, others } = fresh();
  others.push(port(b, [ip2]));
  learning.heard({ mac: a, ip: '9.0.0.1' as Ip }, 0);
  learning.heard({ mac: gatewayMac, ip: ip1 }, 0);
  learning.heard({ mac: b, ip: ip1 }, 0);
  learning.heard({ mac: b, ip: ip2 }, 0);
  learning.heard({ mac: a, ip: ip2 }, 0);
  assert.equal(learning.take(), undefined);
  assert.deepEqual(learning.ignored, { outside: 1, foreign: 2, taken: 1 });
});

test('there are no more than the limit, those under way included, and no more in a second than the pace', () => {
  const { learning } = fresh();
  world.limit = 2;
  const machine = (n: number) => ({
    mac: `02:00:00:00:${(n >> 8).toString(16).padStart(2, '0')}:${(n & 255).toString(16).padStart(2, '0')}` as Mac,
    ip: `10.1.${n >> 8}.${n & 255}` as Ip,
  });
  for (const n of [1, 2, 3]) learning.heard(machine(n), 0);
  assert.equal(world.obey(0).length, 2);
  learning.heard(machine(4), 0);
  assert.deepEqual(learning.ignored, { limit: 2 });
  fresh().limit = 10_000;
  for (let n = 0; n < 1_000; n++) world.learning.heard(machine(n), 0);
  assert.equal(world.learning.waiting, learningPace.burst);
  for (let n = 0; n < 1_000; n++) world.learning.heard(machine(n), 1_000);
  assert.equal(world.learning.waiting, learningPace.burst + learningPace.newPerSecond);
});

test('a machine that was not heard for long is probed, and given up when it does not answer', () => {
  const { learning } = fresh();
  learning.heard({ mac: a, ip: ip1 }, 0);
  learning.heard({ mac: a, ip: ip6 }, 0);
  world.obey(0);
  for (const ip of [ip1, ip6]) learning.heard({ mac: a, ip }, 10);
  const { probeGap, probes } = learningPace;
  const age = ageMs;
  assert.deepEqual(learning.due(age), []);
  const both = [ip1, ip6].map((ip) => ({ mac: a, ip }));
  let now = age + 10;
  const later = () => {
    now += probeGap;
    return now;
  };
  assert.deepEqual(learning.due(now), both);
  assert.deepEqual(learning.due(now + 1), [], 'they have a moment to answer');
  learning.heard(both[0]!, now + 2);
  for (let n = 1; n < probes; n++) assert.deepEqual(learning.due(later()), [both[1]]);
  assert.equal(learning.take(), undefined);
  assert.deepEqual(learning.due(later()), []);
  const changed = world.obey(now);
  assert.deepEqual(
    changed.map((c) => [c.mac, c.addresses, c.added]),
    [[a, [ip1], []]],
  );
  now += age;
  for (let n = 0; n <= probes; n++) learning.due(later());
  assert.deepEqual(
    world.obey(now).map((c) => c.addresses),
    [[]],
  );
  assert.equal(world.learned.size, 0);
});

test('who has an address that another claims is probed at once: only when it is silent the other one gets it', () => {
  const { learning } = fresh();
  learning.heard({ mac: a, ip: ip1 }, 0);
  world.obey(0);
  learning.heard({ mac: a, ip: ip1 }, 1);
  learning.heard({ mac: b, ip: ip1 }, 2);
  assert.deepEqual(learning.due(3), [{ mac: a, ip: ip1 }]);
  learning.heard({ mac: a, ip: ip1 }, 4);
  assert.deepEqual(learning.due(2_000), [], 'it answered');
  learning.heard({ mac: b, ip: ip1 }, 2_000);
  for (const now of [2_001, 3_001, 4_001]) assert.equal(learning.due(now).length, 1);
  learning.due(5_001);
  world.obey(5_001);
  learning.heard({ mac: b, ip: ip1 }, 5_002);
  assert.deepEqual(
    world.obey(5_002).map(({ mac, addresses }) => [mac, addresses]),
    [[b, [ip1]]],
  );
});

test('what the controller refuses is left alone for a while, and what was not the reason is asked for again', () => {
  const { learning } = fresh();
  for (const ip of [ip1, ip6]) learning.heard({ mac: a, ip }, 0);
  learning.refused(learning.take()!, ip6, 0);
  assert.deepEqual(world.obey(0), [{ mac: a, addresses: [ip1], added: [ip1] }]);
  learning.heard({ mac: a, ip: ip6 }, 1_000);
  assert.equal(learning.take(), undefined);
  learning.heard({ mac: a, ip: ip6 }, learningPace.refused + 1);
  assert.deepEqual(learning.take()?.addresses, [ip1, ip6]);
  assert.deepEqual(learning.ignored, { refused: 2 });
});

test('machines that an agent finds learned at its start are asked for in their time, not all at once', () => {
  const { learning, learned } = fresh();
  for (let n = 0; n < 5; n++) {
    const one = port(`02:00:00:00:00:0${n}` as Mac, [`10.0.0.${n}` as Ip]);
    learned.set(one.id, one);
  }
  assert.deepEqual(learning.due(0), []);
  assert.equal(learning.due(ageMs).length, 5);
});

test('who makes up addresses that are refused is not asked for without end', () => {
  const { learning } = fresh();
  const { refusals, refused } = learningPace;
  const text = (i: number) => `10.1.${i >> 8}.${i & 255}` as Ip;
  const hear = (i: number, now: number) => learning.heard({ mac: a, ip: text(i) }, now);
  let now = 0;
  let asked = 0;
  for (let i = 0; i < refusals + 50; i++, now += 10) {
    hear(i, now);
    const change = learning.take();
    if (!change) continue;
    asked++;
    learning.refused(change, change.added[0], now);
  }
  assert.equal(asked, refusals);
  // When the first are forgotten there is room again.
  now += refused;
  learning.due(now);
  hear(refusals + 100, now);
  assert.equal(learning.take()?.added[0], text(refusals + 100));
});
