import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import type { Client, Patch } from '../client/client.ts';
import { type HeddleError, hasCode, toProblem } from '../model/errors.ts';
import { portKey } from '../model/host-state.ts';
import type { PortId } from '../model/ids.ts';
import type { Port, PortInput } from '../model/kinds.ts';
import { type Attachment, changeable, type LocalPort } from '../model/local-api.ts';
import { briefingOf } from '../model/metadata.ts';
import type { Attachments } from './attachments.ts';
import { isWiredAt } from './guest-place.ts';
import { leavePort } from './leave-port.ts';
import { isInUse, isPending } from './local-port.ts';
import type { Reconciler } from './reconciler.ts';
import { Rounds } from './rounds.ts';
import { tenantOf } from './tenant-of.ts';
import type { ThisHost } from './this-host.ts';
import { type Verdict, verdictOf } from './verdict.ts';

/** So long an answer waits for the controller to be told of a port that works already. */
const tellMs = 2_000;
/** What the controller does not take as things are is not told again before, while its stream goes on. */
const againMs = 60_000;
/** What may be put off: all that is told of a tenant's ports or of one port, and a port's release, which neither holds back. */
const putOffKeys = {
  tenant: (name: string) => `tenant/${name}`,
  port: (id: PortId) => `port/${id}`,
  release: (id: PortId) => `release/${id}`,
};

/** A port that the controller has yet to be told of, and what it is to be told. */
type LocalAttachment = Attachment & { readonly local: LocalPort };

/** What the uploads work on. */
export interface UploadParts {
  readonly client: Client;
  readonly attachments: Attachments;
  readonly reconciler: Pick<Reconciler, 'touchPort' | 'abandon' | 'host' | 'state' | 'synced' | 'revision'>;
  readonly log: Logger;
  readonly thisHost: ThisHost;
  /** The controller's stream is open: it knows this host. */
  readonly connected: () => boolean;
}

/**
 * Tells the controller what was decided here: in each round first the ports that are gone, which frees their names and
 * addresses, then those that were made, then what changed of others; each by age. What is to be told is in the records:
 * a restarted agent goes on where the one before ended, and telling twice does no harm.
 */
export class Uploads implements Disposable {
  readonly #parts: UploadParts;
  readonly #rounds: Rounds;
  /** Who waits for a port to be told. */
  readonly #waiting = new Set<{ readonly port: PortId; readonly told: () => void }>();
  /** Somebody has waited in vain, and nothing was told since. */
  #isSlow = false;
  /** What it does not take as things are, by {@link putOffKeys}: until when it is not asked, by performance.now(), and why. */
  readonly #putOff = new Map<string, { readonly untilMs: number; readonly cause: unknown }>();
  /** Ports on which something hung already when the stream came. */
  #begunBefore: ReadonlySet<PortId> = new Set();

  constructor(parts: UploadParts) {
    this.#parts = parts;
    this.#rounds = new Rounds(() => this.#round(), parts.log);
  }

  /**
   * The controller's first whole word of a connection has come. One with an older store (restored, say) has forgotten what
   * it confirmed later: that is told anew, as is what it did not take.
   */
  retell(): void {
    const { attachments, reconciler } = this.#parts;
    this.#putOff.clear();
    this.#begunBefore = new Set(
      attachments
        .all()
        .filter(isInUse)
        .map(({ port }) => port),
    );
    for (const attachment of attachments.all()) {
      const { confirmed, ...local } = attachment.local ?? {};
      if (confirmed !== undefined && BigInt(confirmed) > BigInt(reconciler.revision))
        attachments.put({ ...attachment, local } as Attachment);
    }
  }
  /** Resolves when a round that began after the call has ended, well or not. */
  tell(): Promise<void> {
    return this.#rounds.run();
  }
  /**
   * The same for one port: it does not wait for others', nor for a controller that is away or slow. One that has let somebody
   * wait in vain is waited for again once it has taken something.
   */
  async tellSoon(port: PortId): Promise<void> {
    const round = this.tell();
    if (!this.#parts.connected() || this.#isSlow) return;
    const { promise, resolve: told } = Promise.withResolvers<void>();
    const waiting = { port, told };
    this.#waiting.add(waiting);
    const timer = setTimeout(() => {
      this.#isSlow = true;
      told();
    }, tellMs).unref();
    await Promise.race([round, promise]);
    clearTimeout(timer);
    this.#waiting.delete(waiting);
  }
  /** The controller has taken something of a port; what changed of it meanwhile is still to be told. */
  #took(port: PortId): void {
    this.#isSlow = false;
    const now = this.#parts.attachments.get(port);
    if (now && isPending(now)) return;
    for (const waiting of this.#waiting) if (waiting.port === port) waiting.told();
  }
  /** Why the controller takes nothing of some ports for now; they go on here. */
  get refusal(): HeddleError | undefined {
    return this.#rounds.refusal;
  }
  /** How many ports the controller has yet to be told of. */
  get pending(): number {
    return this.#parts.attachments.all().filter(isPending).length;
  }
  [Symbol.dispose](): void {
    this.#rounds[Symbol.dispose]();
  }

  /** True if nothing is left to tell. @throws what makes it useless to go on now */
  async #round(): Promise<boolean> {
    const all = this.#parts.attachments.all();
    const late = new Set(all.filter((a) => this.#whyNot(a)).map(({ port }) => port));
    const whole = await this.#tellAll(({ port }) => !late.has(port));
    return (await this.#tellAll(({ port }) => late.has(port))) && whole;
  }

  /** The same of some of them. */
  async #tellAll(isMeant: (a: Attachment) => boolean): Promise<boolean> {
    const { attachments } = this.#parts;
    const which = (wanted: (a: Attachment) => boolean) =>
      attachments.all().filter((a) => isPending(a) && isMeant(a) && wanted(a));
    let whole = true;
    const each = async <A extends Attachment>(list: readonly A[], work: (attachment: A) => Promise<boolean>) => {
      for (const { port } of list) {
        // It may have changed while another one was told.
        const now = attachments.get(port) as A | undefined;
        if (!now || !isPending(now)) continue;
        const why = this.#whyNot(now);
        if (why && why.untilMs > performance.now()) whole = this.#postponed(why.cause);
        else if (await work(now)) this.#took(port);
        else whole = false;
      }
    };
    await each(
      which((a) => a.state === 'detaching'),
      (a) => this.#release(a),
    );
    // Before its stream is there the controller may not know this host: what it then refuses is not refused for good.
    if (!this.#knows()) return whole && which(() => true).length === 0;
    // What a port still has that could not be released is not for the next one to claim yet.
    const detaching = attachments.all().filter(({ state }) => state === 'detaching');
    const stuck = new Set(detaching.flatMap(({ local }) => local?.addresses ?? []));
    const isFree = ({ local }: Attachment) => !local?.addresses.some((ip) => stuck.has(ip));
    const made = which((a) => a.local?.confirmed === undefined && a.state !== 'detaching') as LocalAttachment[];
    whole &&= made.every(isFree);
    await each(made.filter(isFree), (a) => this.#create(a));
    await each(which((a) => a.local?.confirmed !== undefined && a.state !== 'detaching') as LocalAttachment[], (a) =>
      this.#update(a),
    );
    return whole;
  }

  /** The controller knows this host, and this host the controller's whole word. */
  #knows(): boolean {
    const { connected, reconciler } = this.#parts;
    return connected() && reconciler.synced;
  }

  async #release(attachment: Attachment): Promise<boolean> {
    const { port, owned } = attachment;
    const { attachments, client, reconciler, log } = this.#parts;
    const id = reconciler.host?.id;
    // Until a controller has said which host this is, no binding can be told to be its.
    if (!id) return false;
    try {
      const tenant = this.#tenant(attachment);
      // By what the controller has of it: another host may have it since this one heard last.
      const leave = (more: { owned: boolean }) => leavePort(client, port, { tenant, host: id, ...more });
      await leave({ owned }).catch((e: unknown) => {
        // Somebody has put ports behind it that do not go with it: it stays for them, bound nowhere.
        if (!hasCode(e, 'IN_USE')) throw e;
        return leave({ owned: false });
      });
    } catch (cause) {
      const verdict = this.#goOn(cause);
      // A tenant by a name that is not sure to be of now may have another one.
      const isGone = hasCode(cause, 'NOT_FOUND') && (cause.details.kind !== 'tenant' || this.#knows());
      if (!isGone && verdict === 'later') return this.#postpone(putOffKeys.release(port), cause);
      if (!isGone) {
        log.warn({ err: cause, port }, 'detached here; the controller will be told again');
        return false;
      }
    }
    attachments.remove(port);
    this.#putOff.delete(putOffKeys.release(port));
    this.#putOff.delete(putOffKeys.port(port));
    return true;
  }

  async #create(attachment: LocalAttachment): Promise<boolean> {
    const { port, local } = attachment;
    const { network, mac, addresses, dnsNames, publish, labels } = local;
    const tenant = this.#tenant(attachment);
    const input = (name: string): PortInput => ({
      ...{ id: port, name, network, host: this.#parts.thisHost.ref, mac, addresses: [...addresses] },
      ...{ dnsNames: [...dnsNames], publish: [...publish], labels: { ...labels }, ephemeral: true },
      ...briefingOf(local),
    });
    try {
      this.#confirmed(attachment, await this.#named(attachment, (name) => this.#made(tenant, input(name))));
      this.#putOff.delete(putOffKeys.tenant(tenant));
      return true;
    } catch (cause) {
      return this.#refused(attachment, cause);
    }
  }

  /** The port as it was made now, or before by a request whose answer was lost. @throws ID_TAKEN if it is another's */
  async #made(tenant: string, input: PortInput): Promise<Port> {
    const { client, reconciler } = this.#parts;
    try {
      return await client.create('port', input, { tenant });
    } catch (cause) {
      if (!hasCode(cause, 'ID_TAKEN')) throw cause;
      const have = await client.get('port', input.id!, { tenant });
      const same =
        [have.host, have.standby].includes(reconciler.host?.id) &&
        have.network === input.network &&
        have.mac === input.mac &&
        isDeepStrictEqual([...have.addresses].sort(), [...input.addresses!].sort());
      if (!same) throw cause;
      const { name, dnsNames, publish, labels } = input;
      return client.update('port', have.id, { name, dnsNames, publish, labels } as Patch<'port'>, { tenant });
    }
  }

  async #update(attachment: LocalAttachment): Promise<boolean> {
    const { port, local, name } = attachment;
    const { client, log, attachments } = this.#parts;
    const tenant = this.#tenant(attachment);
    const fields = { ...local, name };
    const patch = Object.fromEntries(local.changed.map((field) => [field, fields[field]]));
    try {
      const told = await this.#named(attachment, (as) =>
        client.update('port', port, { ...patch, ...('name' in patch && { name: as }) } as Patch<'port'>, { tenant }),
      );
      this.#confirmed(attachment, told);
    } catch (cause) {
      const verdict = this.#goOn(cause);
      if (verdict === 'broken') throw cause;
      if (verdict === 'later' && this.#isHere(port)) return this.#putOffTold(attachment, cause);
      log.warn({ err: cause, port, patch }, 'the controller refuses a change of a port; it stays as it was');
      const now = attachments.get(port);
      // Deleted there, or another host's by now: the stream tells.
      if ((verdict === 'later' || hasCode(cause, 'NOT_FOUND')) && now?.local)
        attachments.put({ ...now, local: { ...now.local, changed: [] } } as Attachment);
      else this.#confirmed(attachment, await client.get('port', port, { tenant }));
    }
    return true;
  }

  /** Does it under the port's name, or the first one like it that is free. */
  async #named({ name, port }: LocalAttachment, work: (name: string) => Promise<Port>): Promise<Port> {
    let taken: unknown;
    for (const like of namesLike(name, this.#parts.thisHost.name, port))
      try {
        return await work(like);
      } catch (e) {
        if (!hasCode(e, 'NAME_TAKEN')) throw e;
        taken = e;
      }
    throw taken;
  }

  /** What the controller now has is what the record says; what changed here meanwhile stays to be told. */
  #confirmed(sent: LocalAttachment, port: Port): void {
    const { attachments, reconciler } = this.#parts;
    const now = attachments.get(sent.port);
    this.#putOff.delete(putOffKeys.port(sent.port));
    if (!now?.local) return;
    const before = { ...sent.local, name: sent.name };
    const current = { ...now.local, name: now.name };
    const changed = changeable.filter((field) => !isDeepStrictEqual(current[field], before[field]));
    const fields = Object.fromEntries(changeable.map((f) => [f, changed.includes(f) ? current[f] : port[f]])) as Pick<
      typeof current,
      (typeof changeable)[number]
    >;
    const { name, ...rest } = fields;
    attachments.put({
      ...now,
      name,
      local: { ...now.local, ...rest, changed, confirmed: port.revision },
    } as Attachment);
    reconciler.touchPort(sent.port);
  }

  /**
   * A refusal of a port that works already is for good if somebody else has what it claims. If this host may say nothing of it
   * as things are, what began without the controller goes on; what begins beside it does not, and whoever begins it is told.
   */
  #refused(attachment: LocalAttachment, cause: unknown): boolean {
    const verdict = this.#goOn(cause);
    const { attachments, reconciler, log } = this.#parts;
    const now = attachments.get(attachment.port);
    if (verdict === 'broken' || (hasCode(cause, 'NOT_FOUND') && cause.details.kind === 'host')) {
      log.warn({ err: cause, port: attachment.port }, 'the controller could not be told of a port; tried again');
      return false;
    }
    if (!now?.local || now.state === 'detaching') return true;
    if (verdict === 'later' && this.#hadBegun(now)) return this.#putOffTold(now, cause);
    const { code, detail, details } = toProblem(cause);
    log.error({ err: cause, port: attachment.port }, 'the controller refuses a port of this host: it is cut off');
    attachments.put({ ...now, local: { ...now.local, refused: { code, detail, details } } } as Attachment);
    reconciler.abandon(attachment.port, cause as Error);
    reconciler.touchPort(attachment.port);
    return true;
  }

  /** @throws what says that the controller hears nothing of this host now */
  #goOn(cause: unknown): Verdict {
    const verdict = verdictOf(cause);
    if (verdict === 'away') throw cause;
    return verdict;
  }

  /** What is of a tenant is so of all that this host has there: one port asks for it. */
  #putOffTold(attachment: Attachment, cause: unknown): false {
    const { tenant, port } = putOffKeys;
    const key = hasCode(cause, 'NOT_FOUND') ? tenant(this.#tenant(attachment)) : port(attachment.port);
    return this.#postpone(key, cause);
  }

  #postpone(key: string, cause: unknown): false {
    this.#putOff.set(key, { untilMs: performance.now() + againMs, cause });
    return this.#postponed(cause);
  }

  #postponed(cause: unknown): false {
    this.#rounds.postpone(cause);
    return false;
  }

  #hadBegun = (attachment: Attachment): boolean => isInUse(attachment) && this.#begunBefore.has(attachment.port);

  /**
   * Why it was put off. A release never is for something else: its answer may be that nothing is left to release. Nor is a
   * port that is new here: it may have to be cut off.
   */
  #whyNot(attachment: Attachment) {
    const { port, state, local } = attachment;
    if (state === 'detaching') return this.#putOff.get(putOffKeys.release(port));
    if (local?.confirmed === undefined && !this.#hadBegun(attachment)) return undefined;
    return this.#putOff.get(putOffKeys.port(port)) ?? this.#putOff.get(putOffKeys.tenant(this.#tenant(attachment)));
  }

  /** As far as this host was told. */
  #isHere(id: PortId): boolean {
    const { state, host } = this.#parts.reconciler;
    const told = state.told.get(portKey(id));
    return told?.kind === 'port' && isWiredAt(told, host?.number);
  }

  #tenant = (attachment: Attachment): string => tenantOf(attachment, this.#parts.reconciler.state);
}

/** A name, and those to take if it is taken: with the host's name, then with the end of the port's id. */
function namesLike(name: string, host: string, port: PortId): string[] {
  const plus = (end: string): string => `${name.slice(0, 62 - end.length)}-${end}`;
  return [name, ...(name.startsWith(`${host}-`) ? [] : [plus(host.slice(0, 40))]), plus(port.slice(-6))];
}
