import type { Kind } from '../model/kinds.ts';

/** What is kept beside an object that was applied: whose it is, and which fields its document had. */
export interface Applied {
  readonly kind: Kind;
  /** The set of documents that it belongs to. */
  readonly set: string;
  /** The fields that were said; of one that is an object, which of its keys. */
  readonly said: Said;
}
export type Said = Readonly<Record<string, true | readonly string[]>>;
