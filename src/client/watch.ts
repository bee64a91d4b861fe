import type { Kind } from '../model/kinds.ts';
import type { WatchEvent } from '../model/page.ts';
import { linesFrom } from './endless.ts';

/**
 * The events of a watch. Of a user who has logged in it ends with the token; it goes on where it was with the next one.
 * @param open the lines from a revision on
 * @throws why the watch ends, if it says so, and what `open` throws
 */
export async function* watchFrom<K extends Kind>(
  open: (from: bigint) => AsyncIterable<string>,
  from: bigint,
): AsyncGenerator<WatchEvent<K>> {
  let revision = from;
  // Those of the last revision: it may have been cut off in the middle.
  const passedOn = new Set<string>();
  for await (const event of linesFrom<WatchEvent<K>>(() => open(revision))) {
    if (BigInt(event.revision) !== revision) passedOn.clear();
    revision = BigInt(event.revision);
    const key = `${event.type} ${event.object.id}`;
    if (passedOn.has(key)) continue;
    passedOn.add(key);
    yield event;
  }
}
