/** A13: a workload that sends all the time, before its device is a port, while it is one, and after. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { openLocal } from '../../src/client/local.ts';
import { until } from '../../src/lab/processes.ts';
import type { Port } from '../../src/model/kinds.ts';
import { udp } from '../datapath/frames.ts';
import { contains, openPackets } from '../traffic/packets.ts';
import type { Station } from '../traffic/stage.ts';
import { attachTap } from '../vm/taps.ts';
import { four } from './attack.ts';
import { deviceOf, type Leg, sendingScript } from './attacker.ts';
import { Container } from './container.ts';
import { late, type Scene } from './scene.ts';

const rounds = 3;
type Marks = Record<'own' | 'spoofed', Uint8Array>;
/** What nobody has seen yet. */
const newMarks = (): Marks => ({ own: randomBytes(12), spoofed: randomBytes(12) });

/** One who comes and goes. */
interface Newcomer {
  /** Its address and MAC as a port, which it sends by before. */
  readonly is: Pick<Leg, 'mac' | 'ip4'>;
  /** Sends a script's frames by its device without a pause, be there a device or not, until it is disposed of. */
  sends(frames: readonly Uint8Array[]): Promise<AsyncDisposable>;
  /** Resolves when it has sent some more, if it can tell. */
  hasSent?(): Promise<unknown>;
  plug(): Promise<Port>;
  unplug(): Promise<void>;
}

/** As itself and as a neighbour, to each of the neighbours. */
function frames(is: Newcomer['is'], neighbours: readonly Station[], marks: Marks): Uint8Array[] {
  const from = is as Leg;
  const [near] = neighbours as [Station];
  return neighbours.flatMap((to) => [
    four(from, to, udp(1, 2, marks.own)),
    four(from, to, udp(1, 2, marks.spoofed), { header: { src: near.ip4 } }),
    four(from, to, udp(1, 2, marks.spoofed), { macs: [to.mac, near.mac] }),
  ]);
}

/** A script that sends them by all these devices from now on. */
const inBackground = (some: readonly Uint8Array[], devices: readonly string[]): string =>
  sendingScript('$1', some, '0')
    .replace(/^/, 'flood() {\n')
    .replace('<<END', '<<END >/dev/null 2>&1')
    .concat('\n}\n', ...devices.map((device) => `flood ${device} &\n`));
const silence = 'killall -KILL frames 2>/dev/null; true';

/** It reaches others while its device is a port, as itself, and at no other time. */
async function onlyWhilePlugged(scene: Scene, who: Newcomer): Promise<void> {
  const spoofed: string[] = [];
  const got = new Map<Uint8Array, Set<Station | 'wire'>>();
  const all: Marks[] = [];
  const look = (mark: Uint8Array): Set<Station | 'wire'> => {
    for (const { by, frame } of scene.seen())
      for (const marks of all) {
        if (contains(frame, marks.spoofed)) spoofed.push(by === 'wire' ? by : by.workload);
        if (contains(frame, marks.own)) got.set(marks.own, (got.get(marks.own) ?? new Set()).add(by));
      }
    return got.get(mark) ?? new Set();
  };
  const send = async (): Promise<{ marks: Marks; flood: AsyncDisposable }> => {
    const marks = newMarks();
    all.push(marks);
    return { marks, flood: await who.sends(frames(who.is, scene.neighbours, marks)) };
  };
  for (let round = 0; round < rounds; round++) {
    const { marks, flood } = await send();
    await using _flood = flood;
    await who.hasSent?.();
    assert.deepEqual(look(marks.own), new Set(), 'before it is a port');
    const port = await who.plug();
    await until('its own frames arrive at both neighbours', 10_000, () =>
      scene.neighbours.every((one) => look(marks.own).has(one)) ? true : undefined,
    );
    const leg = { port, tenant: 't' } as Leg;
    for (const reason of ['src_ip4', 'src_mac'] as const) assert.ok((await scene.count(leg, reason)) > 0, reason);
    await who.unplug();
    // What it sent as a port may be on its way still; this it sends as none.
    const after = await send();
    await using _after = after.flood;
    await who.hasSent?.();
    const [sender] = scene.attackers as [Scene['attackers'][number]];
    await arrives(scene, sender.legs.web, look);
    assert.deepEqual(look(after.marks.own), new Set(), 'after it was one');
  }
  assert.deepEqual(spoofed, []);
}

/** Somebody else's frame arrives at both neighbours. */
async function arrives(scene: Scene, from: Leg, seen: (mark: Uint8Array) => unknown): Promise<void> {
  for (const to of scene.neighbours) {
    using packets = openPackets(to.netns, to.ifname);
    const mark = randomBytes(12);
    await from.send(four(from, to, udp(1, 2, mark)));
    await until('another’s frame', 5_000, () => {
      seen(mark);
      return packets.received().some((frame) => contains(frame, mark)) ? true : undefined;
    });
  }
}

/** A guest's device, on a tap that was there before. */
function guestOn(scene: Scene, tap: { received(): Uint8Array[] }): Newcomer {
  const [host] = scene.stage.lab.hosts;
  const where = ['--ifname', late.ifname, '--mac', late.mac, '--address', late.ip4];
  let port: Port | undefined;
  return {
    is: late,
    async sends(some) {
      await scene.guest!.must(silence);
      await scene.guest!.must(inBackground(some, [deviceOf(late.mac)]));
      return { [Symbol.asyncDispose]: async () => void (await scene.guest!.must(silence)) };
    },
    hasSent: () => {
      tap.received();
      return until('the guest sends', 10_000, () => (tap.received().length > 20 ? true : undefined));
    },
    async plug() {
      ({ port } = await attachTap(host!, { tenant: 't', network: 'web' }, ...where));
      return port;
    },
    unplug: async () => void (await openLocal(host!.agentSocket).request('DELETE', `/v1/attachments/${port!.id}`)),
  };
}

/** A container's second interface, whose network the engine puts it on, and takes it from. */
async function containerOn(scene: Scene, container: Container): Promise<Newcomer> {
  const ip4 = '10.8.0.98';
  const plug = async (): Promise<Station> => {
    await container.docker('network', 'connect', '--ip', ip4, 'web', container.name);
    return container.station(scene.stage, 't', 'web');
  };
  const unplug = async () => void (await container.docker('network', 'disconnect', 'web', container.name));
  const first = await plug();
  await unplug();
  // The engine counts on.
  const devices = Array.from({ length: rounds }, (_, n) => `eth${Number(first.ifname.slice(3)) + 1 + n}`);
  return {
    is: first,
    async sends(some) {
      await container.must(silence);
      await container.must(inBackground(some, devices));
      return { [Symbol.asyncDispose]: async () => void (await container.must(silence)) };
    },
    async plug() {
      const { mac, port } = await plug();
      assert.equal(mac, first.mac, 'it sends as the same');
      return port;
    },
    unplug,
  };
}

export function plugTests(scene: Scene): void {
  const what = 'that never stops sending reaches others while its device is a port, as itself, and at no other time';
  test(`A13: a guest ${what}`, async () => {
    using tap = openPackets(scene.stage.lab.hosts[0]!.netns, late.ifname);
    await onlyWhilePlugged(scene, guestOn(scene, tap));
  });
  test(`A13: a container ${what}`, async () => {
    await using container = await Container.start(scene.stage.lab.hosts[0]!, 'latecomer', 'four', [scene.program!]);
    await onlyWhilePlugged(scene, await containerOn(scene, container));
  });
}
