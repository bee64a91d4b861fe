import { fromProblem, hasCode, type Problem } from '../model/errors.ts';

/**
 * What an answer without end tells. Of a user who has logged in it ends with the token; it goes on with the next one.
 * @param open its lines, from where it is now
 * @throws why it ends, if it says so, and what `open` throws
 */
export async function* linesFrom<L extends object>(open: () => AsyncIterable<string>): AsyncGenerator<L> {
  for (let again = true; again; ) {
    again = false;
    for await (const text of open()) {
      const line = JSON.parse(text) as L | { readonly problem: Problem };
      if (!('problem' in line)) {
        yield line;
        continue;
      }
      const why = fromProblem(line.problem);
      if (!hasCode(why, 'UNAUTHENTICATED')) throw why;
      again = true;
      break;
    }
  }
}
