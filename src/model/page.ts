/** What lists and watches of the API answer. */
import type { Kind, Objects } from './kinds.ts';

/** One page of a list. `next`, where there is more, is the `after` of the next page. */
export interface Page<K extends Kind> {
  /** Revision of the whole page; watch from the one behind it. */
  readonly revision: string;
  readonly items: Objects[K][];
  readonly next?: string;
}

/** A change of an object, one line of a watch; a delete carries the object as it was. */
export interface WatchEvent<K extends Kind> {
  readonly revision: string;
  readonly type: 'put' | 'delete';
  readonly object: Objects[K];
}
