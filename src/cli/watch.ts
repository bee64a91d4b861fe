import type { Client } from '../client/client.ts';
import type { Kind } from '../model/kinds.ts';
import type { Io } from './io.ts';
import { learnNames, listTable, referredNames } from './show.ts';

/** What a list is filtered by, and whose it is. */
type Filter = Readonly<Record<string, unknown>> & { readonly tenant?: string | undefined };

/** Shows a list, then its changes until interrupted; `since`: only the changes from that revision on. */
export async function watchList(
  io: Io,
  client: Client,
  kind: Kind,
  filter: Filter,
  json: boolean,
  since?: bigint,
): Promise<void> {
  const { limit, ...matching } = filter;
  const { items, revision } =
    since === undefined
      ? await client.snapshot(kind, { ...matching, limit })
      : { items: [], revision: String(since - 1n) };
  const shown = new Map(items.map((object) => [object.id, object.revision]));
  const names = new Map(json ? [] : await referredNames(client, kind, filter.tenant, items));
  if (!json && since === undefined) io.out(listTable(kind, items, names));
  if (json)
    for (const object of items) io.out(`${JSON.stringify({ type: 'put', revision: object.revision, object })}\n`);
  for await (const event of client.watch(kind, { ...matching, from: BigInt(revision) + 1n, signal: io.signal })) {
    const { type, object } = event;
    const before = shown.get(object.id);
    // A list of many pages is read while others write: what a later page had already is not news.
    if (type === 'put' && before !== undefined && BigInt(before) >= BigInt(event.revision)) continue;
    if (type === 'put') shown.set(object.id, event.revision);
    else if (!shown.delete(object.id) && since === undefined) continue;
    if (json) io.out(`${JSON.stringify(event)}\n`);
    else {
      await learnNames(client, kind, object, names, filter.tenant);
      io.out(`${type === 'put' ? '+' : '-'} ${listTable(kind, [object], names).split('\n')[1]}\n`);
    }
  }
}
