/** What is taken for a guest that has come, on a device whose far end says it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { Arrivals } from '../../src/agent/arrivals.ts';
import { linkGet } from '../../src/kernel/link.ts';
import { inNetns } from '../../src/kernel/netns.ts';
import { until } from '../../src/lab/processes.ts';
import { type ItemKey, itemKey, type PortItem } from '../../src/model/host-state.ts';
import type { PortId } from '../../src/model/ids.ts';
import { scratchNetns } from '../kernel/fixture.ts';
import { openPackets } from '../traffic/packets.ts';

const port = 'p' as PortId;
const key = itemKey({ kind: 'port', id: port });
const guest = [0x02, 0, 0, 0, 0, 0x07];
/** From this MAC, of this EtherType. */
const frame = (source: readonly number[], type: number): Uint8Array =>
  Uint8Array.from([...Array(6).fill(0xff), ...source, type >> 8, type & 255, ...Array(46).fill(0)]);
const rarp = 0x8035;

/** A host that is told, and hears at one end of a pair what the other says. */
function host(pauseMs: number) {
  const open = new DisposableStack();
  const here = open.use(scratchNetns());
  here.ip('link', 'add', 'name', 'tap', 'type', 'veth', 'peer', 'name', 'guest');
  for (const name of ['tap', 'guest']) here.ip('link', 'set', name, 'up');
  const told = new Map<ItemKey, PortItem>();
  let attachment: object | undefined = { kind: 'tap', port, state: 'attached' };
  let changed: (key: ItemKey) => void = () => undefined;
  const heardAt: number[] = [];
  const pass = () => inNetns(here.ns, () => changed(key));
  open.use(
    new Arrivals({
      reconciler: {
        host: { number: 2 },
        state: { told },
        touchPort: pass,
        watchItems(listener: (key: ItemKey) => void) {
          changed = listener;
          return { [Symbol.dispose]: () => undefined };
        },
      },
      attachments: { get: () => attachment },
      devices: { all: new Map([[port, { ifindex: linkGet(here.nl, 'tap').ifindex }]]) },
      onArrival() {
        heardAt.push(performance.now());
        pass();
      },
      pauseMs,
      log: pino({ level: 'silent' }),
    } as never),
  );
  const packets = open.use(openPackets(here.ns.path, 'guest'));
  return {
    heardAt,
    say: (source: readonly number[], type: number) => packets.send(frame(source, type)),
    tell(binding: { host: number; standby?: number }, more?: object) {
      told.set(key, { kind: 'port', id: port, mac: '02:00:00:00:00:07', ...binding } as PortItem);
      if (more) attachment = { ...attachment, ...more };
      pass();
    },
    /** Resolves when all that was said before is read. */
    async settled() {
      for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
    },
    [Symbol.dispose]: () => open.dispose(),
  };
}

test('any frame of the guest says that it is here, once, and nobody else’s', async () => {
  using h = host(60_000);
  h.tell({ host: 1, standby: 2 });
  h.say([0x02, 0, 0, 0, 0, 0x08], 0x0806);
  h.say([0x02, 0, 0, 0, 1, 0x07], rarp);
  await h.settled();
  assert.equal(h.heardAt.length, 0);
  h.say(guest, rarp);
  await until('it is heard', 10_000, () => (h.heardAt.length > 0 ? true : undefined));
  h.say(guest, 0x0800);
  await h.settled();
  assert.equal(h.heardAt.length, 1);
});

test('nobody listens where the port does not stand by, or where it is known that the guest is here', async () => {
  using h = host(0);
  for (const [binding, more] of [
    [{ host: 2, standby: 1 }, {}],
    [{ host: 1 }, {}],
    [{ host: 1, standby: 3 }, {}],
    [{ host: 1, standby: 2 }, { heard: {} }],
    [
      { host: 1, standby: 2 },
      { heard: undefined, state: 'detaching' },
    ],
    [
      { host: 1, standby: 2 },
      { kind: 'device', state: 'attached' },
    ],
  ] as const) {
    h.tell(binding, more);
    h.say(guest, rarp);
    await h.settled();
    assert.equal(h.heardAt.length, 0, JSON.stringify([binding, more]));
  }
  h.tell({ host: 1, standby: 2 }, { kind: 'tap' });
  h.say(guest, rarp);
  await until('it is heard', 10_000, () => (h.heardAt.length > 0 ? true : undefined));
});

test('one that speaks here and on the other host takes its port to and fro no more often than it may', async () => {
  using h = host(200);
  for (let turn = 1; turn <= 3; turn++) {
    h.tell({ host: 1, standby: 2 });
    await until('it is heard', 10_000, () => {
      h.say(guest, 0x0800);
      return h.heardAt.length === turn ? true : undefined;
    });
    h.tell({ host: 2, standby: 1 });
  }
  const [first = 0, second = 0, third = 0] = h.heardAt;
  // The pause, less what its clock and a timer’s are apart.
  assert.ok(second - first > 190 && third - second > 190, `${h.heardAt}`);
});
