/** A segment that two hosts of a lab serve, a third host's workload, and what may happen to the host that forwards. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { until } from '../../src/lab/processes.ts';
import { helloMac } from '../../src/model/address.ts';
import type { HostNumber } from '../../src/model/ids.ts';
import type { Attached } from '../../src/model/local-api.ts';
import type { Rig } from '../agent/rig.ts';
import type { Workload } from '../agent/workload.ts';
import { eth, hex, ip4, mac, udp } from '../datapath/frames.ts';
import { openPackets } from '../traffic/packets.ts';
import { longestGap } from './gaps.ts';
import { Lan, macOf, nic } from './lan.ts';

interface SegmentStatus {
  readonly role?: string;
  readonly held?: string;
  readonly paired?: boolean;
  readonly problem?: string;
  readonly switches: number;
  readonly hellosHeard: number;
  readonly learned: number;
}

/** What a pair is made with. */
export interface PairOptions {
  readonly network?: string;
  readonly vlan?: number;
  /** Of the machine: IPv4, then IPv6 if the network has it. */
  readonly addresses: readonly string[];
  /** Machines that are learned; default: none. */
  readonly learn?: number;
}

/** What becomes of the active host. */
interface End {
  readonly what: string;
  readonly fails: (active: string) => Promise<unknown>;
  readonly heals: (active: string) => Promise<unknown>;
}

/** What is looked at when the active host goes. */
export interface Looks {
  /** Once the other one has taken over. */
  readonly taken: () => Promise<void>;
  /** While the one that went comes back, which it does in `back`: at the host that is active now. */
  readonly returning?: (t: TestContext, active: string, back: () => Promise<void>) => Promise<void>;
}

/** Hosts h1 and h2 serve port "plant", with one machine that is told; a workload is on h3. */
export class Pair {
  readonly rig: Rig;
  readonly lan: Lan;
  readonly far: Workload;
  readonly there: Attached;
  readonly machine: Workload;
  readonly ips: readonly string[];

  private constructor(parts: Pick<Pair, 'rig' | 'lan' | 'far' | 'there' | 'machine' | 'ips'>) {
    ({ rig: this.rig, lan: this.lan, far: this.far, there: this.there, machine: this.machine, ips: this.ips } = parts);
  }

  static async open(rig: Rig, { network = 'web', vlan = 120, addresses, learn = 0 }: PairOptions): Promise<Pair> {
    const lan = await Lan.open(rig.lab, () => rig.workload());
    const far = await rig.workload();
    const there = await rig.attach('h3', { target: far.path, network });
    const machine = await lan.machine({ vlan, addresses });
    const device = { kind: 'device', ifname: nic, vlan, port: 'plant', network, learn } as const;
    for (const host of ['h1', 'h2']) await rig.attach(host, device);
    const ips = addresses.map((address) => address.split('/')[0]!);
    const body = { name: 'plc', network, behind: 'plant', mac: macOf(machine), addresses: ips };
    await rig.client.create('port', body, { tenant: rig.tenant, waitMs: 20_000 });
    for (const ip of there.port.addresses) assert.ok(await machine.reaches(ip, 10));
    return new Pair({ rig, lan, far, there, machine, ips });
  }

  /** All that may take the active host away, besides people. */
  readonly #ends: readonly End[] = [
    {
      what: 'its agent is killed',
      fails: (active) => this.rig.lab.kill(active),
      heals: (active) => this.#starts(active),
    },
    {
      what: 'it loses its carrier',
      fails: (active) => this.lan.cable(active, 'down'),
      heals: (active) => this.lan.cable(active, 'up'),
    },
    {
      what: 'its agent hangs',
      fails: (active) => this.rig.lab.kill(active, 'SIGSTOP'),
      heals: (active) => this.rig.lab.kill(active, 'SIGCONT'),
    },
    {
      what: 'the whole host is gone',
      fails: (active) =>
        Promise.all([this.rig.lab.kill(active), this.lan.cable(active, 'down'), this.rig.lab.cut(active)]),
      heals: async (active) => {
        await Promise.all([this.lan.cable(active, 'up'), this.rig.lab.heal(active)]);
        await this.#starts(active);
      },
    },
  ];

  async #starts(host: string): Promise<void> {
    await this.rig.lab.start(host);
    await this.rig.lab.ready(host);
  }

  async segment(host: string): Promise<SegmentStatus | undefined> {
    return ((await this.rig.statusIfServed(host)) as unknown as { segments: SegmentStatus[] } | undefined)?.segments[0];
  }

  /** The active host goes in every way, and comes back: each time the other one takes over, as `changes` has it. */
  async outlives(t: TestContext, { taken, returning = (_t, _active, back) => back() }: Looks): Promise<void> {
    let [active, standby] = ['h1', 'h2'];
    for (const { what, fails, heals } of this.#ends)
      await t.test(what, async (t) => {
        await this.settled(active, standby);
        await this.changes(t, async () => {
          await fails(active);
          await this.takesOver(standby);
        });
        await taken();
        await returning(t, standby, () =>
          this.noneTwice(async () => {
            await heals(active);
            await this.settled(standby, active);
          }),
        );
        [active, standby] = [standby, active];
      });
  }

  /** Another host comes to forward: the machine gets answers again in less than three seconds, and nothing comes twice. */
  async changes(t: TestContext, happening: () => Promise<void>): Promise<void> {
    const { gapMs, twice } = await this.noneTwice(() =>
      longestGap(this.machine, this.there.port.addresses[0]!, happening),
    );
    t.diagnostic(`pings every 20 ms: none answered for ${gapMs} ms`);
    assert.ok(gapMs < 3_000, `${gapMs} ms`);
    assert.equal(twice, 0);
  }

  takesOver(host: string): Promise<true> {
    return until(`${host} forwards`, 20_000, async () => {
      const s = await this.segment(host);
      return s?.role === 'active' && !s.held ? true : undefined;
    });
  }

  /** Resolves when one of the two forwards, and the other stands by and hears it now. */
  async settled(active: string, standby: string): Promise<void> {
    // On a machine without time for them they may have changed places.
    await this.rig.client.update('port', 'plant', { host: active }, { tenant: this.rig.tenant });
    const before = (await this.segment(standby))?.hellosHeard ?? 0;
    await until(`${active} forwards, ${standby} stands by`, 30_000, async () => {
      const [a, b] = [await this.segment(active), await this.segment(standby)];
      const isSettled = a?.role === 'active' && !a.held && b?.held === 'standby' && b.hellosHeard > before + 2;
      return isSettled ? true : undefined;
    });
  }

  /**
   * Broadcasts from a machine and from a workload, and how often each is heard at the other side; and at the machine's own. They
   * are said until both of a pair are heard, which is the one that counts: a host that has just been told of something rewrites
   * the list of where broadcasts go, and may lose one meanwhile.
   */
  async broadcasts(): Promise<{ toFar: number; toMachine: number; back: number }> {
    using atFar = openPackets(this.far.path, 'eth0');
    using atMachine = openPackets(this.machine.path, 'eth0');
    const [farHeard, machineHeard]: Buffer[][] = [[], []];
    const times = (heard: readonly Buffer[], text: Buffer) => heard.filter((f) => f.includes(text)).length;
    const say = () => {
      const [fromFar, fromMachine] = [mark('far'), mark('machine')];
      atMachine.send(broadcast(macOf(this.machine), this.ips[0]!, fromMachine));
      atFar.send(broadcast(this.there.port.mac, this.there.port.addresses[0]!, fromFar));
      return () => {
        farHeard!.push(...atFar.received().map((f) => Buffer.from(f)));
        machineHeard!.push(...atMachine.received().map((f) => Buffer.from(f)));
        return {
          toFar: times(farHeard!, fromMachine),
          toMachine: times(machineHeard!, fromFar),
          back: times(machineHeard!, fromMachine),
        };
      };
    };
    const bothWays = () => {
      const said: ReturnType<typeof say>[] = [];
      return until('both broadcasts are heard', 20_000, () => {
        said.push(say());
        return said.find((count) => count().toFar > 0 && count().toMachine > 0);
      });
    };
    const first = await bothWays();
    // A second copy goes a longer way: by then later ones have gone the whole way and back.
    for (let i = 0; i < 3; i++) await bothWays();
    return first();
  }

  /** Whoever forwards meanwhile: machine and workload say something to everybody again and again, and nobody hears it twice, nor they themselves. */
  async noneTwice<T>(happening: () => Promise<T>): Promise<T> {
    using atFar = openPackets(this.far.path, 'eth0');
    using atMachine = openPackets(this.machine.path, 'eth0');
    const timer = setInterval(() => {
      atMachine.send(broadcast(macOf(this.machine), this.ips[0]!, mark('machine')));
      atFar.send(broadcast(this.there.port.mac, this.there.port.addresses[0]!, mark('far')));
    }, 20);
    const result = await happening().finally(() => clearInterval(timer));
    await this.broadcasts();
    const [farHeard, machineHeard] = [atFar.received(), atMachine.received()];
    assertOnce(farHeard, 'machine');
    assertOnce(machineHeard, 'far');
    assert.equal(marks(farHeard, 'far').length + marks(machineHeard, 'machine').length, 0, 'nothing comes back');
    return result;
  }

  /** The longest time in which a host said no hello on the segment while something happens, milliseconds: so long its event loop stood, and 300. */
  async longestSilence(host: HostNumber, happening: () => Promise<unknown>): Promise<number> {
    using atMachine = openPackets(this.machine.path, 'eth0');
    const from = hex(mac(helloMac(host)));
    let [last, longest] = [performance.now(), 0];
    const look = () => {
      const now = performance.now();
      if (!atMachine.received().some((f) => hex(f.subarray(6, 12)) === from)) return;
      longest = Math.max(longest, now - last);
      last = now;
    };
    const timer = setInterval(look, 10);
    await happening().finally(() => clearInterval(timer));
    look();
    return Math.round(Math.max(longest, performance.now() - last));
  }
}

const mark = (from: string) => Buffer.concat([Buffer.from(`heddle pair ${from} `), Buffer.from(crypto.randomUUID())]);
const marks = (frames: readonly Uint8Array[], from: string): string[] =>
  frames.flatMap(
    (f) => new RegExp(`heddle pair ${from} [0-9a-f-]{36}`).exec(Buffer.from(f).toString('latin1'))?.[0] ?? [],
  );

/** Some were heard, and none twice. */
function assertOnce(frames: readonly Uint8Array[], from: string): void {
  const heard = marks(frames, from);
  assert.ok(heard.length > 0, `some of ${from} were heard`);
  assert.deepEqual(
    heard.filter((text, i) => heard.indexOf(text) < i),
    [],
  );
}

/** UDP to everybody. */
const broadcast = (source: string, src: string, text: Buffer): Uint8Array =>
  eth(
    mac('ff:ff:ff:ff:ff:ff'),
    mac(source),
    0x0800,
    ip4({ src, dst: '255.255.255.255', proto: 17 }, udp(5_000, 5_001, text)),
  );
