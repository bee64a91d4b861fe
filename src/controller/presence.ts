import type { Binding } from '../compile/binding.ts';
import { HeddleError, type Problem } from '../model/errors.ts';
import type { Ask, Hello, HostHealth, PortCounters, Report } from '../model/host-state.ts';
import type { HostStatus, PortStatus } from '../model/kinds.ts';
import { Contested } from './contested.ts';
import type { WorldChange } from './world.ts';

/** What a host says of a port. */
export type PortWord = Omit<Report['ports'][number], 'contests'>;
type Reported = PortWord & { readonly revision: string };

/** Who wants to know of what hosts say. */
interface PresenceListener {
  /** A host has connected that was not. */
  arrived(host: string, connected: Connected): void;
  /** A host is not connected any more. */
  left(host: string): void;
  /** An agent that calls itself so was refused. */
  refused(name: string, problem: Problem): void;
  reported(host: string, port: PortWord): void;
}

/** A port, and the one that it is behind. */
interface Placed {
  readonly id: string;
  readonly behind?: string;
}

/** A host that is connected now. */
export interface Connected {
  readonly hello: Hello;
  /** All of the stream up to it is applied; −1 before the first report. */
  applied: bigint;
  readonly ports: Map<string, Reported>;
  /** Asks the agent: by port id, of those that are there. @throws INTERNAL as the agent says, HOST_OFFLINE after the deadline */
  ask(question: Extract<Ask['question'], { name: 'counters' }>): Promise<Readonly<Record<string, PortCounters>>>;
  /** How the host is. @throws INTERNAL, also of an agent that does not know the question; HOST_OFFLINE after so long */
  health(deadlineMs: number): Promise<HostHealth>;
  /** Has it renew its certificate. */
  renew(): void;
  /** How long it has owed changes that it was told of, milliseconds; 0 if it owes none. */
  lagMs(): number;
  /** Ends the connection; its agent begins a new one. */
  dismiss(why: string): void;
}

/** Refusals that are remembered: agents may call themselves anything. */
const refusalsMost = 4_096;
/** So long one is why a host is not there, milliseconds: an agent that runs would have asked again, and been refused again. */
const refusedMs = 600_000;

/** Who is connected and what they last reported. In memory only: it is true of now, and each agent tells it anew. */
export class Presence {
  readonly #hosts = new Map<string, Connected>();
  readonly #contested = new Contested();
  readonly #refusals = new Map<string, { readonly problem: Problem; readonly at: number }>();
  readonly #now: () => Date;
  readonly listeners = new Set<PresenceListener>();
  #waiting = new Set<{ left: Map<string, string>; revision: bigint; done: () => void }>();

  constructor(now = () => new Date()) {
    this.#now = now;
  }

  get(host: string): Connected | undefined {
    return this.#hosts.get(host);
  }
  arrive(host: string, connected: Connected): void {
    const isNew = !this.#hosts.has(host);
    this.#hosts.set(host, connected);
    this.#refusals.delete(connected.hello.name);
    if (isNew) for (const listener of this.listeners) listener.arrived(host, connected);
  }
  /** Forgets the connection, unless a newer one has taken its place. */
  leave(host: string, connected: Connected): void {
    if (this.#hosts.get(host) !== connected) return;
    this.#hosts.delete(host);
    // Another that called itself so while this one was here is not why it has gone.
    this.#refusals.delete(connected.hello.name);
    this.#contested.forgetHost(host);
    for (const listener of this.listeners) listener.left(host);
  }
  /** An agent was refused that calls itself so. */
  refused(name: string, problem: Problem): void {
    this.#refusals.delete(name);
    this.#refusals.set(name, { problem, at: this.#now().getTime() });
    if (this.#refusals.size > refusalsMost) this.#refusals.delete(this.#refusals.keys().next().value!);
    for (const listener of this.listeners) listener.refused(name, problem);
  }
  /** Why an agent that calls itself so is refused, if it has not come since, and asks again and again. */
  refusal(name: string): Problem | undefined {
    const last = this.#refusals.get(name);
    return last && this.#now().getTime() - last.at < refusedMs ? last.problem : undefined;
  }
  /** The ids of all connected hosts. */
  hosts(): Iterable<string> {
    return this.#hosts.keys();
  }

  report(host: string, connected: Connected, { revision, ports }: Report): void {
    if (this.#hosts.get(host) !== connected) return;
    connected.applied = BigInt(revision);
    for (const { contests, ...port } of ports) {
      connected.ports.set(port.id, { ...port, revision });
      for (const listener of this.listeners) listener.reported(host, port);
      this.#contested.heed(host, port.id, contests);
    }
    for (const w of this.#waiting) {
      if (connected.applied >= w.revision) w.left.delete(host);
      if (w.left.size === 0) w.done();
    }
  }
  /**
   * Drops what was reported of ports that left their host, and hosts that are no more: one may be deleted while it comes, or
   * by a controller to which it is not connected. To be called by the world.
   */
  readonly observe = (changes: readonly WorldChange[]): void => {
    for (const { kind, before, after, from = [], wired = [] } of changes) {
      if (kind === 'host' && before && !after) this.#hosts.get(before.record.id)?.dismiss('deleted');
      if (kind !== 'port' || !before) continue;
      for (const host of from) {
        if (wired.includes(host)) continue;
        this.#hosts.get(host)?.ports.delete(before.record.id);
        this.#contested.heed(host, before.record.id);
      }
    }
  };

  hostStatus(host: string): HostStatus {
    const c = this.#hosts.get(host);
    if (!c) return { condition: 'offline' };
    const { version, kernel } = c.hello;
    const applied = c.applied < 0n ? {} : { appliedRevision: String(c.applied) };
    return { condition: 'online', ...applied, version, kernel };
  }
  /** Of a port where it is wired. Of one behind another it is that one's, as long as its host says nothing bad of it alone. */
  portStatus(port: Placed, { host, standby }: Binding): PortStatus {
    const contested = this.#contested.of(port.id);
    return {
      ...this.#statusAt(port, host),
      ...(standby !== undefined && { standby: this.#statusAt(port, standby).condition }),
      ...(contested && { contested }),
    };
  }
  #statusAt({ id, behind }: Placed, host: string | undefined): PortStatus {
    if (!host) return { condition: 'unbound' };
    const c = this.#hosts.get(host);
    if (!c) return { condition: 'unknown' };
    const own = c.ports.get(id);
    const reported = behind === undefined || own?.code !== undefined ? own : c.ports.get(behind);
    if (!reported) return { condition: 'pending' };
    const { id: _, ...status } = reported;
    return status;
  }

  /**
   * Resolves when all of the hosts (id → name) have applied the revision.
   * @param signal ends the wait, also if it aborted before
   * @throws WAIT_TIMEOUT with the names of those that have not; the signal's reason
   */
  async applied(
    hosts: ReadonlyMap<string, string>,
    revision: bigint,
    timeoutMs: number,
    signal: AbortSignal,
  ): Promise<void> {
    const left = new Map([...hosts].filter(([id]) => (this.#hosts.get(id)?.applied ?? -1n) < revision));
    if (left.size === 0) return;
    // An abort before this is told to nobody.
    signal.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiting = { left, revision, done: resolve };
    const timer = setTimeout(resolve, timeoutMs);
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    this.#waiting.add(waiting);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(waiting);
    }
    if (left.size > 0) throw new HeddleError('WAIT_TIMEOUT', { revision: String(revision), hosts: [...left.values()] });
  }
}
