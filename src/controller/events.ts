import { type Event, type EventType, eventLimits, eventTypes } from '../model/events.ts';
import { EventReader } from './event-reader.ts';
import { type EventEntry, EventRow } from './event-row.ts';

/** An event as it is noted: the book adds id, time and severity. */
export type Noted = Omit<Event, 'id' | 'at' | 'severity'>;

interface EventsOptions {
  readonly now: () => Date;
  /** Most that are kept of one object, of one tenant, and in all. */
  readonly limits?: Readonly<Record<'perObject' | 'perTenant' | 'inAll', number>>;
}

interface Readership {
  /** Id of the last event that is known; 0: none. */
  readonly after: number;
  /** Of which tenants ('-': of what is in none); undefined: of all. */
  readonly tenants: readonly string[] | undefined;
  /** Others' are read, too. */
  readonly wide?: boolean;
}

/**
 * What happened to objects, in memory: so many of one object, so many of a tenant and so many in all, that neither a port that
 * fails for ever nor a tenant with many hides the others'. What is gone is gone from the oldest on.
 */
export class Events {
  /** When the first could have been noted. */
  readonly since: Date;
  readonly #now: () => Date;
  readonly #limits: NonNullable<EventsOptions['limits']>;
  readonly #all = new EventRow();
  readonly #byObject = new Map<string, EventRow>();
  readonly #byTenant = new Map<string, EventRow>();
  readonly #counts = new Map<EventType, number>();
  #last = 0;
  #news = Promise.withResolvers<void>();

  constructor({ now, limits = eventLimits }: EventsOptions) {
    this.#now = now;
    this.#limits = limits;
    this.since = now();
  }

  /** How many were noted, by type. */
  get counts(): ReadonlyMap<EventType, number> {
    return this.#counts;
  }
  get kept(): number {
    return this.#all.count;
  }

  note(noted: Noted): void {
    const at = ++this.#last;
    const { severity } = eventTypes[noted.type];
    const event: Event = { id: String(at), at: this.#now().toISOString(), severity, ...noted };
    const entry: EventEntry = { event, at, kept: true };
    const rows = this.#rowsOf(event);
    for (const { row } of rows) row.add(entry);
    for (const { row, most } of rows) if (row.count > most) this.#drop(row.oldest()!);
    this.#counts.set(event.type, (this.#counts.get(event.type) ?? 0) + 1);
    this.wake();
  }

  /** Those after an id, the oldest first: of all, or of one tenant ('-': of what is in none). */
  *after(at: number, tenant?: string): Generator<Event> {
    for (const { event } of this.#rowOf(tenant)?.after(at) ?? []) yield event;
  }

  /**
   * Somebody who reads events after an id, from 0 on those that are kept, and hears how many were lost: of a tenant only its own.
   * How many of a tenant's went before the reader came is known as a bound: they have no ids any more.
   */
  reader({ after, tenants, wide = false }: Readership): EventReader {
    const own = () => (tenants ?? [undefined]).flatMap((tenant) => this.#rowOf(tenant) ?? []);
    const at = Math.min(after, this.#last);
    const sum = (of: (row: EventRow) => number) => own().reduce((n, row) => n + of(row), 0);
    // Ids of all have no gaps.
    const passed = after === 0 ? sum(({ gone }) => gone) : tenants === undefined ? at : sum((row) => row.notedUpTo(at));
    const isOne = !wide && tenants?.length === 1;
    return new EventReader({ row: () => (isOne ? own()[0] : this.#all), own, at, passed });
  }

  /** Resolves when the next is noted. */
  get news(): Promise<void> {
    return this.#news.promise;
  }

  /** Resolves what waits for news, without any. */
  wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }

  #drop(entry: EventEntry): void {
    const { object, tenant = '-', kind, type } = entry.event;
    entry.kept = false;
    for (const { row } of this.#rowsOf(entry.event)) row.dropped(entry);
    if (this.#byObject.get(object)?.count === 0) this.#byObject.delete(object);
    // While there is the tenant, its row says how many there were.
    const isItsEnd = kind === 'tenant' && type === 'deleted';
    if (isItsEnd && this.#byTenant.get(tenant)?.count === 0) this.#byTenant.delete(tenant);
  }

  #rowOf(tenant: string | undefined): EventRow | undefined {
    return tenant === undefined ? this.#all : this.#byTenant.get(tenant);
  }

  #rowsOf({ object, tenant = '-' }: Event): { row: EventRow; most: number }[] {
    const { perObject, perTenant, inAll } = this.#limits;
    return [
      { row: rowOf(this.#byObject, object), most: perObject },
      { row: rowOf(this.#byTenant, tenant), most: perTenant },
      { row: this.#all, most: inAll },
    ];
  }
}

function rowOf(rows: Map<string, EventRow>, key: string): EventRow {
  const row = rows.get(key) ?? new EventRow();
  rows.set(key, row);
  return row;
}
