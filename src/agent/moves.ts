/** Moves ports to this host at the controller, when their guests have come. */
import type { Logger } from 'pino';
import type { Client } from '../client/client.ts';
import type { HeddleError } from '../model/errors.ts';
import { type ItemKey, portKey } from '../model/host-state.ts';
import type { PortId } from '../model/ids.ts';
import type { Attachment, TapAttachment } from '../model/local-api.ts';
import type { Attachments } from './attachments.ts';
import { hasArrived, isWiredAt } from './guest-place.ts';
import type { Reconciler } from './reconciler.ts';
import { Rounds } from './rounds.ts';
import { tenantOf } from './tenant-of.ts';
import type { ThisHost } from './this-host.ts';
import { verdictOf } from './verdict.ts';
import type { WorkloadDevices } from './workload-devices.ts';

/** What moving works with. */
export interface MoveParts {
  readonly client: Pick<Client, 'update'>;
  readonly attachments: Pick<Attachments, 'all' | 'get' | 'put'>;
  readonly reconciler: Pick<Reconciler, 'touchPort' | 'state' | 'host' | 'watchItems'>;
  readonly devices: Pick<WorkloadDevices, 'all'>;
  readonly thisHost: ThisHost;
  readonly log: Logger;
}

/**
 * A guest that has come is this host's from then on, whatever the controller knows; it is told at once, and until it has
 * heard, or the guest's tap is closed: then it is gone, perhaps back to where it was. What is to be told is in the records, so a
 * restarted agent goes on. Beside the other uploads, behind which others would wait for a guest.
 */
export class Moves implements Disposable {
  readonly #parts: MoveParts;
  readonly #rounds: Rounds;
  readonly #watch: Disposable;
  /** Those heard here whose taps were seen open since: that one was opened may be heard of after its guest's first frame. */
  readonly #opened: Set<PortId>;

  constructor(parts: MoveParts) {
    this.#parts = parts;
    this.#rounds = new Rounds(() => this.#round(), parts.log);
    this.#opened = new Set(parts.attachments.all().flatMap((a) => (wasHeard(a) ? [a.port] : [])));
    this.#watch = parts.reconciler.watchItems((key) => this.#heedTap(key));
  }

  /** The guest of a port that stands by here was heard. */
  readonly arrived = (port: PortId): void => {
    const { attachments, reconciler, log } = this.#parts;
    const attachment = attachments.get(port);
    if (attachment?.kind !== 'tap' || attachment.state !== 'attached') return;
    log.info({ port, tap: attachment.ifname }, 'a guest has come to this host');
    attachments.put({ ...attachment, heard: {} });
    reconciler.touchPort(port);
    void this.tell();
  };

  /** Resolves when a round that began after the call has ended, well or not. */
  tell(): Promise<void> {
    return this.#rounds.run();
  }
  /** Why the controller moves some ports not now; their guests are here all the same. */
  get refusal(): HeddleError | undefined {
    return this.#rounds.refusal;
  }
  [Symbol.dispose](): void {
    this.#watch[Symbol.dispose]();
    this.#rounds[Symbol.dispose]();
  }

  #heedTap(key: ItemKey): void {
    const { attachments, devices } = this.#parts;
    const port = key.slice(key.indexOf('/') + 1) as PortId;
    if (!key.startsWith('port/')) return;
    if (!wasHeard(attachments.get(port))) return void this.#opened.delete(port);
    const open = devices.all.get(port)?.open;
    if (open) this.#opened.add(port);
    else if (open === false && this.#opened.delete(port)) this.#heard(port, undefined);
  }

  async #round(): Promise<boolean> {
    let whole = true;
    for (const attachment of this.#parts.attachments.all().filter(hasArrived))
      whole = (await this.#move(attachment)) && whole;
    return whole;
  }

  /** True if nothing of it is left to tell. @throws what says that the controller hears nothing of this host now */
  async #move(attachment: TapAttachment): Promise<boolean> {
    const { client, reconciler, thisHost, log } = this.#parts;
    const { port } = attachment;
    try {
      const tenant = tenantOf(attachment, reconciler.state);
      const { revision } = await client.update('port', port, { host: thisHost.ref }, { tenant });
      this.#heard(port, { confirmed: revision });
    } catch (cause) {
      const verdict = verdictOf(cause);
      if (verdict === 'away') throw cause;
      if (verdict === 'later' && this.#isHere(port)) {
        this.#rounds.postpone(cause);
        return false;
      }
      log.warn({ err: cause, port }, 'the controller does not move a port whose guest was heard here');
      if (verdict === 'broken') return false;
      // It is gone, or stands by here no longer: what the controller says holds.
      this.#heard(port, undefined);
    }
    return true;
  }

  /** As far as this host was told. */
  #isHere(id: PortId): boolean {
    const { state, host } = this.#parts.reconciler;
    const told = state.told.get(portKey(id));
    return told?.kind === 'port' && isWiredAt(told, host?.number);
  }

  /** Notes in the record whether its guest was heard here, and whether the controller knows. */
  #heard(port: PortId, heard: TapAttachment['heard']): void {
    const { attachments, reconciler } = this.#parts;
    const now = attachments.get(port);
    if (now?.kind !== 'tap' || now.state === 'detaching') return;
    const { heard: _, ...rest } = now;
    attachments.put({ ...rest, ...(heard && { heard }) });
    reconciler.touchPort(port);
  }
}

const wasHeard = (attachment: Attachment | undefined): attachment is TapAttachment =>
  attachment?.kind === 'tap' && attachment.heard !== undefined;
