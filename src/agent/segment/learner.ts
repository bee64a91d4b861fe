/** Carries out what is learned on a segment: tells the controller, and probes. */
import type { Logger } from 'pino';
import type { Client } from '../../client/client.ts';
import type { Ip } from '../../model/address.ts';
import { HeddleError, hasCode } from '../../model/errors.ts';
import type { PortItem } from '../../model/host-state.ts';
import type { NetworkId } from '../../model/ids.ts';
import { Rounds } from '../rounds.ts';
import { verdictOf } from '../verdict.ts';
import type { Heard } from './hearing.ts';
import { type Change, type Ignored, type Known, Learning } from './learning.ts';
import { probeFrame } from './probe.ts';

/** Requests to the controller at the same time. */
const AT_ONCE = 8;

/** What a learner works with. */
export interface LearnerParts {
  readonly client: Pick<Client, 'create' | 'update' | 'remove'>;
  readonly known: Known;
  /** Keeps addresses from this host's other workloads while the controller is asked for them. @throws ADDRESS_TAKEN */
  readonly asking: (owner: string, network: NetworkId, addresses: readonly Ip[]) => Disposable;
  /** The segment's port and its tenant, as they are now; undefined: nothing can be told. */
  readonly segment: () => { readonly port: PortItem; readonly tenant: string } | undefined;
  readonly send: (frame: Uint8Array) => unknown;
  readonly log: Logger;
}

/** One segment's. Disposing ends it. */
export class Learner implements Disposable {
  readonly #parts: LearnerParts;
  readonly #learning: Learning;
  readonly #rounds: Rounds;

  constructor(parts: LearnerParts) {
    this.#parts = parts;
    this.#learning = new Learning(parts.known);
    this.#rounds = new Rounds(() => this.#round(), parts.log);
  }

  [Symbol.dispose](): void {
    this.#rounds[Symbol.dispose]();
  }

  heard(who: Heard): Ignored | undefined {
    const ignored = this.#learning.heard(who, performance.now());
    this.#tellSoon();
    return ignored;
  }

  /** About once a second: asks who was not heard for long. */
  tend(): void {
    const segment = this.#parts.segment();
    if (!segment) return;
    for (const who of this.#learning.due(performance.now())) this.#parts.send(probeFrame(segment.port.mac, who));
    this.#tellSoon();
  }

  /** Tells at once what waits: the controller lets this host in, as far as is known. */
  tell(): void {
    void this.#rounds.run();
  }

  /** What was not taken for now is told again by itself, and not as often as somebody is heard. */
  #tellSoon(): void {
    if (this.#learning.waiting > 0 && this.#rounds.refusal === undefined) void this.#rounds.run();
  }

  /** All that was heard is told. */
  get isTold(): boolean {
    return this.#learning.isTold;
  }
  /** Why the controller makes no ports of machines here for now; they are asked for again. */
  get refusal(): HeddleError | undefined {
    return this.#rounds.refusal;
  }
  get status() {
    return { learned: this.#parts.known.learned.size, ignored: this.#learning.ignored };
  }

  /** True if nothing is left to tell. @throws what makes it useless to go on now */
  async #round(): Promise<boolean> {
    const all = Array.from({ length: AT_ONCE }, () => this.#tellSome());
    const ends = await Promise.allSettled(all);
    for (const end of ends) if (end.status === 'rejected') throw end.reason;
    return this.#learning.waiting === 0;
  }

  async #tellSome(): Promise<void> {
    for (let change = this.#learning.take(); change; change = this.#learning.take()) await this.#tell(change);
  }

  async #tell(change: Change): Promise<void> {
    try {
      await this.#request(change);
      this.#learning.done(change, performance.now());
    } catch (cause) {
      if (verdictOf(cause) === 'refused') return this.#refused(change, cause as HeddleError);
      this.#learning.again(change);
      throw cause;
    }
  }

  async #request({ mac, port, addresses, added }: Change): Promise<unknown> {
    const { client, segment: now, asking } = this.#parts;
    const segment = now();
    if (!segment) throw new HeddleError('INTERNAL', { problem: 'a segment without a port learns nothing' });
    const { id: behind, network, name } = segment.port;
    const { tenant } = segment;
    // The controller takes them out of this host's lease, and does not know yet what was just given of that.
    using _ = asking(mac, network, added);
    if (port === undefined) {
      const own = `${name.slice(0, 50)}-${mac.replaceAll(':', '')}`;
      return await client.create(
        'port',
        { name: own, network, behind, mac, addresses: [...addresses], ephemeral: true },
        { tenant },
      );
    }
    return addresses.length === 0
      ? await client.remove('port', port, { tenant })
      : await client.update('port', port, { addresses: [...addresses] }, { tenant });
  }

  #refused(change: Change, cause: HeddleError): void {
    const { log, segment } = this.#parts;
    // Somebody else did it first.
    if (hasCode(cause, 'NOT_FOUND') && change.addresses.length === 0)
      return this.#learning.done(change, performance.now());
    const { mac, addresses } = change;
    log.info(
      { problem: cause.message, mac, addresses, segment: segment()?.port.name },
      'a machine of a segment gets no port',
    );
    const why =
      hasCode(cause, 'ADDRESS_TAKEN') || hasCode(cause, 'ADDRESS_RESERVED') || hasCode(cause, 'ADDRESS_OUTSIDE');
    this.#learning.refused(change, why ? (cause.details.address as Ip) : undefined, performance.now());
  }
}
