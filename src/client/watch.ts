import { fromProblem, hasCode, type Problem } from '../model/errors.ts';
import type { Kind } from '../model/kinds.ts';
import type { WatchEvent } from '../model/page.ts';

/** How a watch says why it ends. */
interface End {
  readonly type: 'error';
  readonly problem: Problem;
}

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
  for (let again = true; again; ) {
    again = false;
    for await (const line of open(revision)) {
      const event = JSON.parse(line) as WatchEvent<K> | End;
      if (event.type === 'error') {
        const why = fromProblem(event.problem);
        if (!hasCode(why, 'UNAUTHENTICATED')) throw why;
        again = true;
        break;
      }
      if (BigInt(event.revision) !== revision) passedOn.clear();
      revision = BigInt(event.revision);
      const key = `${event.type} ${event.object.id}`;
      if (passedOn.has(key)) continue;
      passedOn.add(key);
      yield event;
    }
  }
}
