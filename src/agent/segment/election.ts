/**
 * Who forwards for a segment that two hosts serve, and whether one that serves it may. Pure: told what is heard and asked at
 * each beat, with the time. The controller's word (which host the port is bound to) is what counts; this decides when a
 * standby asks it to switch, and when an active one is silent all the same.
 */
import type { HostNumber, PortId } from '../../model/ids.ts';
import type { Hello } from './hello.ts';

/** Milliseconds. */
export const beat = {
  /** Between two hellos. */
  hello: 300,
  /** An active host that was not heard for so long is gone. */
  silence: 2_000,
  /** So long an active host of a pair may forward after its last beat: less than the silence, so that it ends first. */
  lease: 1_800,
  /** Before one that is new here forwards, it listens for so long: there may be another. */
  listen: 1_500,
  /** So long at most one that was chosen waits until the other says that it has stopped. */
  patience: 4_000,
  /** An active host that lost the controller for so long, while the standby has it, is no use. */
  deaf: 10_000,
  /** A segment in a loop is held down until nothing of the other was heard for so long… */
  loop: 3_000,
  /** … and for so long if the network still has the other: its agent may be restarting, while its kernel forwards. */
  lastingLoop: 60_000,
  /** Between two questions to the controller whether one that cannot be heard forwards. */
  question: 2_000,
  /** The longest silence that is waited for, after switches that brought nobody back. */
  longest: 60_000,
} as const;

/** What the controller says of this host and the segment. */
export interface Role {
  readonly port: PortId;
  readonly self: HostNumber;
  readonly role: 'active' | 'standby';
  /** Another host serves the segment too. */
  readonly paired: boolean;
  /** Store revision of the port. */
  readonly revision: bigint;
}

/** Why a segment forwards nothing here. */
export type Held = 'standby' | 'listening' | 'waiting' | 'no_carrier' | 'loop' | 'other_active';

/** What is to be done at a beat. */
export interface Verdict {
  readonly held?: Held;
  /**
   * The controller is to be asked to bind the port to this host; `unheard`: only if the active one does not forward, as this
   * host has never heard it, and so may be where nobody could.
   */
  readonly takeOver: false | 'silent' | 'unheard';
}

/** What the host knows besides what it hears. */
interface Surroundings {
  readonly carrier: boolean;
  readonly connected: boolean;
  /** The network has this other segment. */
  readonly has: (segment: PortId) => boolean;
}

/** One segment's. Times are milliseconds of any clock that only goes forward. */
export class Election {
  #role: Role;
  readonly #began: number;
  /** When an active partner was last heard; at first: when listening began. */
  #active: number;
  /** When an active partner with the controller's ear was. */
  #useful: number;
  #partner: (Pick<Hello, 'active' | 'chosen' | 'revision'> & { readonly at: number }) | undefined;
  /** An active partner was heard since this one stands by. */
  #hasHeard = false;
  #looped: { readonly at: number; readonly by: PortId } | undefined;
  /** Since when it is what it is. */
  #since: number;
  readonly #isOpen: boolean;
  /** Last sequence by host, so that nothing is heard twice. */
  readonly #sequences = new Map<HostNumber, bigint>();
  /** Switches that this host asked for since it last heard its partner. */
  #vain = 0;

  /** `open`: it forwards already, for an agent before this one. */
  constructor(role: Role, now: number, open: boolean) {
    this.#role = role;
    this.#began = now;
    this.#active = now;
    this.#useful = now;
    this.#since = now;
    this.#isOpen = open;
  }

  /** The controller's word changed. */
  told(role: Role, now: number): void {
    if (role.role === 'standby' && this.#role.role === 'active') {
      this.#active = now;
      this.#useful = now;
      this.#hasHeard = false;
    }
    if (role.role !== this.#role.role) this.#since = now;
    this.#role = role;
  }

  /** A hello of this network came. Returns false if it says nothing: it came before, or is this segment's own. */
  heard(hello: Hello, now: number): boolean {
    const { port, self } = this.#role;
    if (hello.port === port && hello.host === self) return false;
    if (hello.host !== self) {
      if (hello.sequence <= (this.#sequences.get(hello.host) ?? 0n)) return false;
      this.#sequences.set(hello.host, hello.sequence);
    }
    // Another segment of the same network on this wire: the older one stays.
    if (hello.port !== port) {
      if (hello.port < port) this.#looped = { at: now, by: hello.port };
      return true;
    }
    const { active, chosen, revision } = hello;
    this.#partner = { at: now, active, chosen, revision };
    this.#vain = 0;
    if (active) this.#active = now;
    if (active) this.#hasHeard = true;
    if (hello.active && hello.connected) this.#useful = now;
    return true;
  }

  /** Asked at each beat, when all that waited was heard. */
  verdict(now: number, surroundings: Surroundings): Verdict {
    const held = this.#held(now, surroundings);
    const takesOver = held === 'standby' && surroundings.connected && this.#mayTakeOver(now);
    return { ...(held && { held }), takeOver: takesOver && (this.#hasHeard ? 'silent' : 'unheard') };
  }

  /** The controller made this host the active one because it asked. */
  tookOver(): void {
    this.#vain++;
  }

  #held(now: number, { carrier, connected, has }: Surroundings): Held | undefined {
    const { role, revision, paired } = this.#role;
    if (!carrier) return 'no_carrier';
    if (this.#looped && now - this.#looped.at < (has(this.#looped.by) ? beat.lastingLoop : beat.loop)) return 'loop';
    if (role === 'standby') return 'standby';
    // What a new agent knows from its cache may be older than the other host's taking over.
    const listens = paired && !connected ? beat.silence : beat.listen;
    if (!this.#isOpen && now - this.#began < listens) return 'listening';
    const other = this.#partner;
    if (!other || now - other.at >= beat.silence) return undefined;
    // The one that the controller bound later is right; the other has not been told yet, and stops when it hears this.
    if (other.chosen && other.revision > revision) return 'other_active';
    return other.active && now - this.#since < beat.patience ? 'waiting' : undefined;
  }

  #mayTakeOver(now: number): boolean {
    const silence = Math.min(beat.silence * 2 ** this.#vain, beat.longest);
    return now - this.#active > silence || now - this.#useful > Math.max(beat.deaf, silence);
  }
}
