import type { Condition } from '../model/condition.ts';
import type { Event, EventLine, EventPage, EventType } from '../model/events.ts';
import type { Kind } from '../model/kinds.ts';
import type { CallOptions, Connection } from './connection.ts';

/** Which events; without any of them, all. */
export interface EventFilter {
  readonly kind?: Kind | undefined;
  /** Name or id of one object, also of one that is gone; with `kind`. */
  readonly object?: string | undefined;
  readonly tenant?: string | undefined;
  readonly type?: EventType | readonly EventType[] | undefined;
  /** From a time on, as 2026-01-31T08:00:00Z, or from so long ago, as 90m. */
  readonly since?: string | undefined;
}

/** What happens, and whether all is well. */
export interface ObserveClient {
  /** All events that are kept and match, the oldest first. */
  events(options?: EventFilter & CallOptions): Promise<Event[]>;
  /** The events that are kept, then every one that comes, until `signal` aborts. @throws CONTROLLER_UNREACHABLE when the connection ends */
  followEvents(options?: EventFilter & CallOptions): AsyncIterable<EventLine>;
  /** Whether the installation is well, what is not, and what to do. */
  status(options?: CallOptions): Promise<Condition>;
}

/** Asked over a connection. */
export const observeClient = ({ request, lines }: Connection): ObserveClient => ({
  async events({ signal, deadlineMs, ...filter } = {}) {
    const items: Event[] = [];
    for (let after: string | undefined; ; ) {
      const query = { ...filter, after };
      const page = (await request('GET', '/v1/events', { query, signal, deadlineMs })) as EventPage;
      items.push(...page.items);
      after = page.next;
      if (after === undefined) return items;
    }
  },
  async *followEvents({ signal, deadlineMs, ...filter } = {}) {
    const query = { ...filter, follow: true };
    for await (const line of lines('/v1/events', { query, signal, deadlineMs })) yield JSON.parse(line) as EventLine;
  },
  status: (options) => request('GET', '/v1/status', options) as Promise<Condition>,
});
