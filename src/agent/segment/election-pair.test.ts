/** Two hosts, a wire and a controller, all of them simulated: whatever fails, never do both forward, and soon one does. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type HostNumber, newId, type PortId } from '../../model/ids.ts';
import { beat, Election, type Held, type Role } from './election.ts';
import type { Hello } from './hello.ts';

const port = newId<PortId>();
/** Milliseconds between two looks at the world; what is said is heard at the next. */
const STEP = 10;
/** From what the controller decides until the hosts are told. */
const TELL = 50;

class Host {
  readonly number: HostNumber;
  readonly #world: World;
  readonly #phase: number;
  election: Election;
  held: Held | undefined = 'standby';
  gate = 0;
  alive = true;
  carrier = true;
  connected = true;
  role: Role;
  #asking = false;

  constructor(world: World, number: HostNumber, phase: number) {
    this.#world = world;
    this.number = number;
    this.#phase = phase;
    this.role = world.roleOf(number);
    this.election = new Election(this.role, world.now, false);
  }

  tick(): void {
    if (this.alive && this.#world.now % beat.hello === this.#phase) this.beat();
  }
  #verdict = () => this.election.verdict(this.#world.now, { ...this, has: () => true });
  beat(): void {
    const world = this.#world;
    const { held, takeOver } = this.#verdict();
    this.held = held;
    this.gate = held ? 0 : world.now + beat.lease;
    const { revision, role } = this.role;
    const state = { active: !held, chosen: role === 'active', connected: this.connected };
    world.say(this, { port, host: this.number, vlan: 0, ifindex: 1, revision, ...state, sequence: ++world.sequence });
    if (takeOver !== 'silent' || this.#asking) return;
    this.#asking = true;
    const { revision: asked } = this.role;
    world.after(TELL, () => {
      this.#asking = false;
      if (world.revision === asked) world.bind(this.number);
    });
  }
  hear(hello: Hello): void {
    if (!this.alive || !this.carrier || !this.election.heard(hello, this.#world.now)) return;
    if (this.#verdict().held !== this.held) this.beat();
  }
  tell(): void {
    if (!this.alive || !this.connected) return;
    this.role = this.#world.roleOf(this.number);
    this.election.told(this.role, this.#world.now);
    this.beat();
  }
  get forwards(): boolean {
    return this.gate > this.#world.now && this.carrier;
  }
}

class World {
  now = 0;
  sequence = 0n;
  revision = 1n;
  #active = 1 as HostNumber;
  #due: { at: number; work: () => void }[] = [];
  readonly hosts: readonly [Host, Host];
  /** Longest time without anybody. */
  gap = 0;
  #since = 0;

  constructor(phases: readonly [number, number]) {
    this.hosts = [new Host(this, 1 as HostNumber, phases[0]), new Host(this, 2 as HostNumber, phases[1])];
  }
  roleOf = (self: HostNumber): Role => ({
    ...{ port, self, paired: true, revision: this.revision },
    role: self === this.#active ? 'active' : 'standby',
  });
  after(ms: number, work: () => void): void {
    this.#due.push({ at: this.now + ms, work });
  }
  say(from: Host, hello: Hello): void {
    if (!from.carrier) return;
    for (const host of this.hosts) if (host !== from) this.after(STEP, () => host.hear(hello));
  }
  bind(host: HostNumber): void {
    this.#active = host;
    this.revision++;
    // The one that has it is told first, and the other one late: the worse order.
    for (const h of this.hosts) this.after(h.number === host ? TELL : 5 * TELL, () => h.tell());
  }
  run(until: number): void {
    for (; this.now < until; this.now += STEP) {
      const due = this.#due.filter(({ at }) => at <= this.now);
      this.#due = this.#due.filter(({ at }) => at > this.now);
      for (const { work } of due) work();
      for (const host of this.hosts) host.tick();
      const forwarding = this.hosts.filter((h) => h.forwards).length;
      assert.ok(forwarding < 2, `both forward at ${this.now}`);
      if (forwarding === 1) this.#since = this.now;
      this.gap = Math.max(this.gap, this.now - this.#since);
    }
  }
  /** From here on gaps count. */
  begin(): void {
    this.gap = 0;
  }
}

const failures: readonly { what: string; fail(world: World): void; gap: number; ends: 0 | 1 }[] = [
  {
    what: 'its agent is killed',
    fail: ({ hosts: [a] }) => {
      a.alive = false;
    },
    gap: 800,
    ends: 1,
  },
  {
    what: 'its carrier is lost',
    fail: ({ hosts: [a] }) => {
      a.carrier = false;
    },
    gap: 2_500,
    ends: 1,
  },
  { what: 'an operator switches', fail: (world) => world.bind(2 as HostNumber), gap: 50, ends: 1 },
  {
    what: 'an operator switches while its agent is stuck for a second',
    fail(world) {
      world.hosts[0].alive = false;
      world.bind(2 as HostNumber);
      world.after(1_000, () => {
        world.hosts[0].alive = true;
        world.hosts[0].tell();
      });
    },
    gap: 800,
    ends: 1,
  },
  {
    what: 'an operator switches, and it does not hear of that from the controller',
    fail(world) {
      world.hosts[0].connected = false;
      world.bind(2 as HostNumber);
    },
    gap: 50,
    ends: 1,
  },
  {
    what: 'it loses the controller',
    fail: ({ hosts: [a] }) => {
      a.connected = false;
    },
    gap: 50,
    ends: 1,
  },
  {
    what: 'its agent is stuck for a second and a half',
    fail(world) {
      world.hosts[0].alive = false;
      world.after(1_500, () => {
        world.hosts[0].alive = true;
      });
    },
    gap: 0,
    ends: 0,
  },
];
for (const { what, fail, gap, ends } of failures)
  test(`when of the active one ${what}, there is never more than one, and one is again within ${gap} ms`, () => {
    for (let first = 0; first < beat.hello; first += 50)
      for (let second = 0; second < beat.hello; second += 50)
        for (const at of [3_000, 3_110, 3_230]) {
          const world = new World([first, second]);
          world.run(at);
          assert.ok(world.hosts[0].forwards);
          world.begin();
          fail(world);
          world.run(at + 15_000);
          assert.ok(world.hosts[ends].forwards, `${first}, ${second}`);
          assert.ok(world.gap <= gap, `${world.gap} ms with ${first}, ${second}, ${at}`);
        }
  });
