import { type Event, type EventType, eventLimits, eventTypes } from '../model/events.ts';

/** An event as it is noted: the book adds id, time and severity. */
export type Noted = Omit<Event, 'id' | 'at' | 'severity'>;

interface Entry {
  readonly event: Event;
  readonly at: number;
  kept: boolean;
}

/** Entries in their order, of which some may have gone. Cost of each call: constant over many. */
class Row {
  #entries: Entry[] = [];
  /** Nothing before it is kept. */
  #head = 0;
  count = 0;

  add(entry: Entry): void {
    this.#entries.push(entry);
    this.count++;
  }
  /** To be called for each of its entries that is not kept any more. */
  dropped(): void {
    this.count--;
    if (this.#entries.length <= 2 * this.count + 16) return;
    this.#entries = this.#entries.filter(({ kept }) => kept);
    this.#head = 0;
  }
  oldest(): Entry | undefined {
    while (this.#entries[this.#head]?.kept === false) this.#head++;
    return this.#entries[this.#head];
  }
  /** Those whose id is greater, the oldest first. */
  *after(at: number): Generator<Entry> {
    for (let i = this.#firstAfter(at); i < this.#entries.length; i++) {
      const entry = this.#entries[i]!;
      if (entry.kept) yield entry;
    }
  }
  #firstAfter(at: number): number {
    let [low, high] = [0, this.#entries.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#entries[middle]!.at > at) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

interface EventsOptions {
  readonly now: () => Date;
  /** Most that are kept of one object, of one tenant, and in all. */
  readonly limits?: Readonly<Record<'perObject' | 'perTenant' | 'inAll', number>>;
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
  readonly #all = new Row();
  readonly #byObject = new Map<string, Row>();
  readonly #byTenant = new Map<string, Row>();
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
  /** Id of the latest; 0 if there is none. */
  get last(): number {
    return this.#last;
  }

  note(noted: Noted): void {
    const at = ++this.#last;
    const { severity } = eventTypes[noted.type];
    const event: Event = { id: String(at), at: this.#now().toISOString(), severity, ...noted };
    const entry: Entry = { event, at, kept: true };
    const rows = this.#rowsOf(event);
    for (const { row } of rows) row.add(entry);
    for (const { row, most } of rows) if (row.count > most) this.#drop(row.oldest()!);
    this.#counts.set(event.type, (this.#counts.get(event.type) ?? 0) + 1);
    this.wake();
  }

  /** Those after an id, the oldest first: of all, or of one tenant ('-': of what is in none). */
  *after(at: number, tenant?: string): Generator<Event> {
    const row = tenant === undefined ? this.#all : this.#byTenant.get(tenant);
    for (const { event } of row?.after(at) ?? []) yield event;
  }

  /** How many events after an id are not kept any more. */
  lostAfter(at: number): number {
    const oldest = this.#all.oldest()?.at ?? this.#last + 1;
    return Math.max(0, oldest - at - 1);
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

  #drop(entry: Entry): void {
    entry.kept = false;
    for (const { row } of this.#rowsOf(entry.event)) row.dropped();
    for (const [rows, key] of [
      [this.#byObject, entry.event.object],
      [this.#byTenant, entry.event.tenant ?? '-'],
    ] as const)
      if (rows.get(key)?.count === 0) rows.delete(key);
  }

  #rowsOf({ object, tenant = '-' }: Event): { row: Row; most: number }[] {
    const { perObject, perTenant, inAll } = this.#limits;
    return [
      { row: rowOf(this.#byObject, object), most: perObject },
      { row: rowOf(this.#byTenant, tenant), most: perTenant },
      { row: this.#all, most: inAll },
    ];
  }
}

function rowOf(rows: Map<string, Row>, key: string): Row {
  const row = rows.get(key) ?? new Row();
  rows.set(key, row);
  return row;
}
