/** Events of the controller. */
import { HeddleError } from '../model/errors.ts';
import type { Event, EventLine, EventPage } from '../model/events.ts';
import type { Client } from './client.ts';
import { type Query, readLines, send } from './transport.ts';

/** All events that are kept and match, the oldest first. @throws CONTROLLER_UNREACHABLE, INVALID, NOT_FOUND */
export async function listEvents(client: Pick<Client, 'request'>, query: Query): Promise<Event[]> {
  const items: Event[] = [];
  for (let after: string | undefined; ; ) {
    const page = (await client.request('GET', '/v1/events', { query: { ...query, after } })) as EventPage;
    items.push(...page.items);
    after = page.next;
    if (after === undefined) return items;
  }
}

/**
 * The events that are kept, then every one that comes, until `signal` aborts.
 * @throws CONTROLLER_UNREACHABLE when the connection ends; INVALID, NOT_FOUND
 */
export async function* followEvents(
  { address }: Pick<Client, 'address'>,
  query: Query,
  signal: AbortSignal,
): AsyncGenerator<EventLine> {
  const unreachable = (problem: string, cause: unknown) =>
    new HeddleError('CONTROLLER_UNREACHABLE', { address, problem }, cause);
  const options = { query: { ...query, follow: true }, signal };
  const response = await send(address, 'GET', '/v1/events', options, unreachable);
  try {
    for await (const line of readLines(response)) if (line !== '') yield JSON.parse(line) as EventLine;
  } catch (cause) {
    if (!signal.aborted) throw unreachable((cause as Error).message, cause);
  }
  if (!signal.aborted) throw unreachable('the events ended', undefined);
}
