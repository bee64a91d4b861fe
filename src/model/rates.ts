/** Requests a second that one client address may go on with; 0: any number. */
export interface Rates {
  /** Whatever changes something. */
  readonly write: number;
  /** Lists, watches and the like; one object is always read. */
  readonly read: number;
}

/** What a controller allows if nobody says: far above what hosts and people do, and below what stops it. */
export const defaultRates: Rates = { write: 1000, read: 1000 };
