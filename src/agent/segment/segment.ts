/** One segment that this host serves: who forwards for it, and who is there. */
import type { Logger } from 'pino';
import type { Client } from '../../client/client.ts';
import { gatewayMac } from '../../model/address.ts';
import { hasCode } from '../../model/errors.ts';
import { limits } from '../../model/fields.ts';
import type { PortItem } from '../../model/host-state.ts';
import type { HostNumber, NetworkId, PortId } from '../../model/ids.ts';
import type { LeaseBook } from '../lease-book.ts';
import { tellNotGiven } from '../not-given.ts';
import type { ThisHost } from '../this-host.ts';
import type { WorkloadDevice } from '../workload-devices.ts';
import { announce } from './announce.ts';
import { contestsReport, contestsText } from './contests.ts';
import { beat, Election, type Held, type Role } from './election.ts';
import { heardIn } from './hearing.ts';
import { type HelloKey, helloFrame, helloKey, readHello } from './hello.ts';
import { Learner } from './learner.ts';
import type { Machines } from './machines.ts';
import { openSegmentSocket, type SegmentSocket } from './segment-socket.ts';
import { Survey } from './survey.ts';

/** Where it is. */
export interface Place {
  readonly ifindex: number;
  readonly slot: number;
  /** 0: none. */
  readonly vlan: number;
}

/** What a segment works with. */
export interface SegmentParts {
  readonly place: Place;
  readonly port: PortItem;
  readonly self: () => HostNumber | undefined;
  readonly thisHost: ThisHost;
  readonly machines: Machines;
  readonly client: Client;
  readonly book: Pick<LeaseBook, 'asking'>;
  /** The controller's stream is open. */
  readonly connected: () => boolean;
  /** The NIC has one. */
  readonly carrier: () => boolean;
  /** Until when frames pass, nanoseconds of CLOCK_MONOTONIC; 0: always. */
  readonly gate: (until: bigint) => void;
  /** The same as it is now. */
  readonly gateUntil: () => bigint;
  /** What is to be said when it begins to forward. */
  readonly sayFirst: (port: PortItem) => Iterable<Uint8Array>;
  /** What people should know changed. */
  readonly onNote: () => void;
  readonly log: Logger;
}

type SegmentNote = Pick<WorkloadDevice, 'note' | 'problem' | 'contests'> & { readonly listens?: true };

/** As a gate's time, one that is past: nothing passes. */
export const SHUT = 1n;
/**
 * Beats after the first that forwards at which the switches are told so: the other host may have forwarded a moment longer,
 * by which they believe it again.
 */
const announcedAt: ReadonlySet<number> = new Set([0, 1, 3, 10]);
/** One in so many beats looks after what was learned: about a second. */
const TEND_EVERY = 3;

/** What is said of a segment that forwards nothing, to people. */
const unheardNote = 'stands by, but hears nothing of the other host, which forwards: is it the same LAN and VLAN?';
const notes: Readonly<Record<Exclude<Held, 'listening'>, string>> = {
  standby: 'stands by: the other host forwards',
  waiting: 'waits until the other host stops forwarding',
  no_carrier: 'the NIC has no carrier',
  loop: 'held down: an older segment of the same network is on the same wire',
  other_active: 'held down: the other host forwards too',
};
/** Nothing that passes by itself, or is as it should be. */
const isProblem: ReadonlySet<Held> = new Set(['no_carrier', 'loop']);

/** Disposing closes its socket, and the gate of a pair; one that no other host serves needs nobody. */
export class Segment implements Disposable {
  readonly #parts: SegmentParts;
  readonly #open = new DisposableStack();
  readonly #socket: SegmentSocket;
  readonly #key: HelloKey;
  readonly #learner: Learner;
  readonly #survey: Survey;
  readonly #election: Election;
  readonly #ending = new AbortController();
  #role: Role | undefined;
  #held: Held | undefined = 'standby';
  /** It is new here, and those whose addresses are given next are asked for. */
  #isAsking = false;
  /** What people were told last. */
  #told = '';
  #sequence = 0n;
  /** That it has forwarded without a pause. */
  #beats = 0;
  #asking = false;
  /** When the controller was last asked whether one that cannot be heard forwards, and whether it does. */
  #questioned = Number.NEGATIVE_INFINITY;
  #isUnheard = false;
  /** Since when the controller has said that it does not. */
  #downSince: number | undefined;
  #isBeating = false;
  /** The other host was not heard for so long that this one takes over, if it stands by: that need not wait for a beat. */
  readonly #alarm: NodeJS.Timeout;
  #switches = 0;
  #hellos = 0;

  /** @throws KERNEL if its socket cannot be opened */
  constructor(parts: SegmentParts) {
    const { place, port, machines, log } = parts;
    this.#parts = parts;
    this.#key = helloKey(port.network);
    this.#role = this.#roleNow();
    const until = parts.gateUntil();
    const open = until === 0n || until > process.hrtime.bigint();
    this.#election = new Election(this.#role ?? unknownRole(port.id), performance.now(), open);
    const heard = { hello: (frame: Uint8Array) => this.#hello(frame), machine: (f: Uint8Array) => this.#machine(f) };
    this.#socket = this.#open.use(openSegmentSocket(place, heard, log));
    this.#learner = this.#open.use(
      new Learner({
        client: parts.client,
        known: machines.known(port, () => this.#may),
        segment: () => this.#tellable(),
        asking: (...what) => parts.book.asking(...what),
        send: this.#socket.send,
        log,
      }),
    );
    this.#survey = new Survey({
      network: machines.surveyed(port),
      mac: port.mac,
      everyMs: () => (this.#may.limit > 0 ? this.#may.ageMs : 0),
      isTold: () => this.#learner.isTold,
      send: this.#socket.send,
    });
    this.#alarm = setTimeout(() => this.#beatOutOfTurn(), beat.silence + 1).unref();
    this.#open.defer(() => clearTimeout(this.#alarm));
    this.beat();
  }

  [Symbol.dispose](): void {
    this.#ending.abort();
    if (this.#role?.paired) {
      this.#parts.gate(SHUT);
      this.#held ??= 'standby';
      this.#say(this.#role);
    }
    this.#open.dispose();
  }

  /** What people should know: a note, or why it does not do what it is for; neither: it forwards. */
  get said(): SegmentNote {
    const held = this.#held;
    if (held === 'listening' || this.#isAsking) return { listens: true };
    const { all, more } = this.#survey.contests;
    if (!held && all.length > 0) return { note: contestsText(all, more), contests: contestsReport(all) };
    if (held === 'standby' && this.#isUnheard) return { problem: unheardNote };
    return held ? { [isProblem.has(held) ? 'problem' : 'note']: notes[held] } : {};
  }

  get status() {
    const port = this.#port();
    const refusal = tellNotGiven(this.#parts.thisHost)(this.#learner.refusal);
    const problem = this.said.problem ?? (refusal && `its machines get no ports for now: ${refusal.message}`);
    return {
      port: port?.name,
      vlan: this.#parts.place.vlan || undefined,
      role: this.#role?.role,
      paired: this.#role?.paired,
      ...(this.#held && { held: this.#held }),
      ...(problem !== undefined && { problem }),
      switches: this.#switches,
      hellosHeard: this.#hellos,
      ...this.#learner.status,
      ...this.#survey.status,
    };
  }

  /** The controller's word on it may have changed. */
  told(): void {
    const role = this.#roleNow();
    const before = this.#role;
    if (
      !role ||
      (before && role.role === before.role && role.paired === before.paired && role.revision === before.revision)
    )
      return;
    this.#role = role;
    this.#election.told(role, performance.now());
    this.beat();
  }

  /** What the controller has not heard of its machines is told at once. */
  tell = (): void => this.#learner.tell();

  isOf = (network: NetworkId): boolean => network === this.#parts.port.network;

  /** A port of its network came, or changed. */
  came(port: PortItem): void {
    if (!this.#held && port.behind !== this.#parts.port.id) this.#survey.came(port);
  }

  /** Not on one that is held down: what a switch hears there, it looks for there. */
  say(frame: Uint8Array): void {
    if (!this.#held) this.#socket.send(frame);
  }

  #port = (): PortItem | undefined => this.#parts.machines.segment(this.#parts.port.id);

  #tellable() {
    const port = this.#port();
    const tenant = port && this.#parts.machines.tenantOf(port);
    return port && tenant !== undefined ? { port, tenant } : undefined;
  }

  #roleNow(): Role | undefined {
    const self = this.#parts.self();
    const port = this.#port();
    if (!port || self === undefined || (port.host !== self && port.standby !== self)) return undefined;
    const role = port.host === self ? 'active' : 'standby';
    return { port: port.id, self, role, paired: port.standby !== undefined, revision: BigInt(port.revision) };
  }

  /** What changes who forwards is heeded at once: that no two do, nor none. */
  #hello(frame: Uint8Array): void {
    const hello = readHello(frame, this.#key);
    if (!hello || !this.#election.heard(hello, performance.now())) return;
    this.#hellos++;
    this.#alarm.refresh();
    if (!this.#isBeating) this.#beatOutOfTurn((held) => held !== this.#held);
  }

  #beatOutOfTurn(isDue: (held: Held | undefined) => boolean = () => true): void {
    try {
      if (this.#role && isDue(this.#verdict().held)) this.beat();
    } catch (err) {
      this.#parts.log.error({ err, port: this.#parts.port.name }, 'a segment: its next beat is as always');
    }
  }

  #machine(frame: Uint8Array): void {
    if (this.#held) return;
    const who = heardIn(frame);
    if (!who || who.mac === this.#port()?.mac) return;
    if (this.#learner.heard(who) === 'rate') this.#survey.missed(who.ip);
    this.#survey.heard(who, performance.now());
  }

  /** Every `beat.hello` milliseconds: what waits is heard, then it is decided who forwards, and said. */
  beat(): void {
    this.#isBeating = true;
    this.#socket.drain();
    this.#isBeating = false;
    const role = this.#role;
    if (!role) return this.#parts.gate(SHUT);
    const { held, takeOver } = this.#verdict();
    this.#forward(role, held);
    this.#say(role);
    this.#unheard(takeOver === 'unheard' && this.#isUnheard);
    if (takeOver !== 'unheard') this.#downSince = undefined;
    if (takeOver === 'silent' || (takeOver && performance.now() - this.#questioned > beat.question))
      void this.#takeOver(takeOver);
    if (held) this.#beats = 0;
    else this.#serve(this.#beats++);
    this.#note();
  }

  #verdict() {
    const { connected, carrier, machines } = this.#parts;
    const has = (segment: PortId) => machines.segment(segment) !== undefined;
    return this.#election.verdict(performance.now(), { carrier: carrier(), connected: connected(), has });
  }

  #unheard(is: boolean): void {
    if (is === this.#isUnheard) return;
    this.#isUnheard = is;
    this.#note();
  }

  #note(): void {
    const said = JSON.stringify(this.said);
    if (said === this.#told) return;
    this.#told = said;
    this.#parts.onNote();
  }

  /** What the controller lets it learn. */
  get #may() {
    const { learn = 0, ageSeconds = limits.ageSeconds } = this.#port()?.segment ?? {};
    return { limit: learn, ageMs: ageSeconds * 1_000 };
  }

  #serve(beats: number): void {
    const { machines } = this.#parts;
    const port = this.#port();
    if (port && announcedAt.has(beats))
      announce([gatewayMac, ...machines.beyond(port)], this.#socket.send, this.#ending.signal);
    if (port && beats === 0) for (const frame of this.#parts.sayFirst(port)) this.#socket.send(frame);
    const now = performance.now();
    if (beats === 0) this.#survey.begin(now);
    this.#survey.tick(now);
    if (this.#survey.isThrough(now)) this.#isAsking = false;
    if (beats % TEND_EVERY === 0) this.#learner.tend();
  }

  /** Of a pair, the gate shuts by itself when this process does not say otherwise in time. */
  #forward({ paired }: Role, held: Held | undefined): void {
    const { gate } = this.#parts;
    gate(held ? SHUT : paired ? process.hrtime.bigint() + BigInt(beat.lease) * 1_000_000n : 0n);
    const before = this.#held;
    this.#held = held;
    this.#isAsking = !held && (this.#isAsking || before === 'listening');
  }

  #say({ port, self, revision, role }: Role): void {
    const { place, connected } = this.#parts;
    const clock = BigInt(Date.now()) * 1_000n;
    this.#sequence = clock > this.#sequence ? clock : this.#sequence + 1n;
    const { vlan, ifindex } = place;
    const state = { active: !this.#held, connected: connected(), chosen: role === 'active' };
    const hello = { port, host: self, vlan, ifindex, revision, ...state, sequence: this.#sequence };
    this.#socket.send(helloFrame(hello, this.#key));
  }

  /** Asks the controller to bind the port here. It refuses if anything has changed that this host does not know yet. */
  async #takeOver(why: 'silent' | 'unheard'): Promise<void> {
    const { client, thisHost, log } = this.#parts;
    const segment = this.#tellable();
    if (this.#asking || !segment) return;
    const { port, tenant } = segment;
    this.#asking = true;
    try {
      if (why === 'unheard') {
        this.#questioned = performance.now();
        const { status } = await client.get('port', port.id, { tenant });
        // It forwards: that this one does not hear it is this one's fault.
        this.#unheard(status.condition === 'up');
        this.#downSince = this.#isUnheard ? undefined : (this.#downSince ?? performance.now());
        // Its agent may be restarting.
        if (this.#downSince === undefined || performance.now() - this.#downSince < beat.deaf) return;
      }
      await client.update('port', port.id, { host: thisHost.ref }, { tenant, ifRevision: port.revision });
      this.#election.tookOver();
      this.#switches++;
      log.warn({ port: port.name }, 'the other host of a segment is silent: this one takes over');
    } catch (err) {
      // Repeated at the next beat, if there is still cause.
      if (!hasCode(err, 'REVISION_CONFLICT')) log.warn({ err, port: port.name }, 'a segment could not be taken over');
    } finally {
      this.#asking = false;
    }
  }
}

const unknownRole = (port: PortId): Role => ({
  ...{ port, self: 0 as HostNumber, role: 'standby', paired: true, revision: 0n },
});
