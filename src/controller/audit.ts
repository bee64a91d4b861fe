import { AsyncLocalStorage } from 'node:async_hooks';
import { setImmediate } from 'node:timers/promises';
import { Counts } from '../metrics/counts.ts';
import type { Exposition } from '../metrics/exposition.ts';
import { type AuditRecord, type Who, whoText } from '../model/audit.ts';
import type { Code } from '../model/errors.ts';
import { masked } from '../model/masked.ts';
import type { AuditForgotten, AuditLog, AuditRow, AuditSort } from '../store/audit-contract.ts';
import type { Store } from '../store/contract.ts';
import { boundedFields } from './audit-fields.ts';
import { Floods, type Unrecorded } from './audit-floods.ts';
import type { Subject } from './audit-subjects.ts';
import { type Deed, isInside, whoOf } from './audit-who.ts';
import { auditedStore } from './audited-store.ts';
import type { World } from './world.ts';

/** What the log adds when a record is read. */
type Noted = Omit<AuditRecord, 'id' | 'at' | 'revision'>;

/** What a refusal is about, as far as the request says. */
export type About = Pick<AuditRecord, 'tenant' | 'tenantName' | 'kind' | 'object' | 'name' | 'told'>;

/** Time between two looks at what was not recorded one by one, milliseconds. */
const LOOK_MS = 60_000;

/** A refusal that waits for its turn. */
interface Refusal {
  readonly deed: Deed;
  readonly code: Code;
  readonly about: () => About | undefined;
}

interface AuditOptions {
  readonly store: Store;
  readonly world: World;
  readonly now: () => Date;
  readonly log: { error(fields: object, text: string): void };
}

/**
 * Records who did what, and what was refused to whom. A write is recorded by the store that this has (`store`), in the
 * write's transaction, on behalf of whoever `during` says; without that it is the controller's own.
 */
export class Audit implements AsyncDisposable {
  /** The store for whoever writes. */
  readonly store: Store;
  readonly #log: AuditLog;
  readonly #world: World;
  readonly #logger: AuditOptions['log'];
  readonly #floods: Floods;
  readonly #deed = new AsyncLocalStorage<Deed>();
  readonly #records = new Counts('heddle_audit_records_total');
  readonly #timer: NodeJS.Timeout;
  #refusals: Refusal[] = [];
  #recording: Promise<void> | undefined;
  #unrecorded = 0;
  #failed = 0;

  constructor({ store, world, now, log }: AuditOptions) {
    this.#log = store.audit;
    this.#world = world;
    this.#logger = log;
    this.#floods = new Floods(now);
    this.store = auditedStore(store, { world, rowOf: (subject) => this.#written(subject) });
    this.#timer = setInterval(() => void this.look(), LOOK_MS);
    this.#timer.unref();
  }
  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.settled();
    await this.look();
  }

  /** Whatever the work writes, also later, is done on behalf of this one. */
  during<T>(deed: Deed, work: () => T): T {
    return this.#deed.run(deed, work);
  }

  /** The same of the controller itself, though a request may wait for it. */
  own<T>(work: () => T): T {
    return this.#deed.exit(work);
  }

  /**
   * Something is refused. It is recorded in a moment, with what else is, and nobody waits for it: how long an answer takes says
   * nothing of what was found out for the record, nor whether there is one.
   * @param about undefined: it is none for the record
   */
  refused(deed: Deed, code: Code, about: () => About | undefined): void {
    this.#refusals.push({ deed, code, about });
    this.#recording ??= this.#recordRefusals();
  }

  /** So many more were refused to whom it is, of which nothing else is known. */
  refusedMore(deed: Deed, count: number): void {
    if (count === 0) return;
    this.#unrecorded += count;
    this.#floods.count(whoOf(deed), deed.from, count);
  }

  /** What was refused up to now is recorded. */
  async settled(): Promise<void> {
    await this.#recording;
  }

  async #recordRefusals(): Promise<void> {
    // Answers go out first.
    await setImmediate();
    while (this.#refusals.length > 0) {
      const refusals = this.#refusals;
      this.#refusals = [];
      await this.#append(refusals.flatMap((refusal) => this.#made(() => this.#refused(refusal)) ?? []));
    }
    this.#recording = undefined;
  }

  /** Undefined if it is not recorded, or only counted. */
  #refused({ deed, code, about }: Refusal): AuditRow | undefined {
    const said = about();
    if (!said) return undefined;
    const who = whoOf(deed);
    if (!this.#floods.admits(who, deed.from)) {
      this.#unrecorded++;
      return undefined;
    }
    // A stranger fills no tenant's log.
    const { tenant: meant, ...rest } = said;
    const tenant = who.kind === 'nobody' ? undefined : meant;
    const noted = { ...aboutOf(deed, who), ...rest, ...(tenant !== undefined && { tenant }) };
    return this.#row({ action: 'refused', ...noted, code }, true, isInside(this.#world, deed, tenant));
  }

  /** The row that tells of records that are no longer kept; itself it is of no tenant. */
  readonly auditForgotten = (forgotten: AuditForgotten, { refused, tenant }: AuditSort): AuditRow => {
    const { count, firstAtMs, lastAtMs } = forgotten;
    const tenantName = tenant === undefined ? undefined : this.#world.tenant.get(tenant)?.record.name;
    const noted: Noted = {
      ...{ action: 'forgotten', who: whoOf(undefined), kind: 'audit', name: refused ? 'refusals' : 'writes', count },
      ...{ since: new Date(firstAtMs).toISOString(), until: new Date(lastAtMs).toISOString() },
      ...(tenant !== undefined && { tenant }),
      ...(tenantName !== undefined && { tenantName }),
    };
    return { ...this.#row(noted, false, false), tenant: undefined };
  };

  /** Revisions are no longer kept, from one up to another. */
  readonly historyForgotten = async (from: bigint, to: bigint): Promise<void> => {
    const fields = [{ field: 'oldest', before: String(from), after: String(to) }];
    await this.#log.append([
      this.#row({ action: 'forgotten', who: whoOf(undefined), kind: 'history', fields }, false, false),
    ]);
  };

  /** Appends rows by themselves; those that cannot be are counted, and logged. */
  async #append(rows: readonly AuditRow[]): Promise<void> {
    try {
      if (rows.length > 0) await this.#log.append(rows);
    } catch (err) {
      this.#lost(rows.length, err);
    }
  }

  /** A row of which nothing comes takes none of the others with it. */
  #made(row: () => AuditRow | undefined): AuditRow | undefined {
    try {
      return row();
    } catch (err) {
      this.#lost(1, err);
      return undefined;
    }
  }

  #lost(count: number, err: unknown): void {
    this.#failed += count;
    this.#logger.error({ err }, 'refusals cannot be recorded');
  }

  /** Records how many refusals were not recorded one by one. */
  async look(): Promise<void> {
    const taken = this.#floods.taken();
    await this.#append(taken.flatMap((each) => this.#made(() => this.#row(unrecorded(each), true, false)) ?? []));
  }

  async expose(into: Exposition): Promise<void> {
    await this.settled();
    this.#records.expose(into);
    into.set('heddle_audit_unrecorded_total', this.#unrecorded);
    into.set('heddle_audit_failed_total', this.#failed);
    const { sorts } = await this.#log.extent();
    const bytesOf = (wanted: boolean) =>
      sorts.reduce((sum, { refused, bytes }) => (refused === wanted ? sum + bytes : sum), 0);
    into.set('heddle_audit_size_bytes', bytesOf(false), { of: 'written' });
    into.set('heddle_audit_size_bytes', bytesOf(true), { of: 'refused' });
  }

  #written({ isSecret, changes, ...subject }: Subject): AuditRow {
    const deed = this.#deed.getStore();
    const { tenant } = subject;
    const known = tenant === undefined ? undefined : this.#world.tenant.get(tenant)?.record.name;
    const tenantName = subject.kind === 'tenant' ? subject.name : known;
    const name = subject.name ?? (subject.kind === 'quota' ? tenantName : undefined);
    const noted: Noted = {
      ...aboutOf(deed, whoOf(deed)),
      ...subject,
      ...(name !== undefined && { name }),
      ...(tenantName !== undefined && { tenantName }),
      ...boundedFields(changes, isSecret),
    };
    return this.#row(noted, false, isInside(this.#world, deed, tenant));
  }

  #row(noted: Noted, refused: boolean, inside: boolean): AuditRow {
    const { tenant, kind, object, name, who, requestId } = noted;
    this.#records.add({ action: noted.action });
    // In the order in which it is read.
    const { action, fields, ...about } = noted;
    const record = masked(JSON.stringify({ action, ...about, ...(fields && { fields }) }));
    const [called, request] = [name, requestId].map((text) => text && masked(text));
    return { refused, inside, who: whoText(who), tenant, kind, object, name: called, request, record };
  }
}

function aboutOf(deed: Deed | undefined, who: Who): Pick<Noted, 'who' | 'from' | 'requestId' | 'method' | 'route'> {
  const { from, requestId, method, route } = deed ?? {};
  return {
    who,
    ...(from !== undefined && { from }),
    ...(requestId !== undefined && { requestId }),
    ...(method !== undefined && { method }),
    ...(route !== undefined && { route }),
  };
}

const unrecorded = ({ who, from, count, since, until }: Unrecorded): Noted => ({
  action: 'unrecorded',
  who: who ?? { kind: 'nobody' },
  ...(from !== undefined && { from }),
  count,
  since: since.toISOString(),
  until: until.toISOString(),
});
