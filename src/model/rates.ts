/** Requests a second that one client address may go on with; 0: any number. */
export interface Rates {
  /** Whatever changes something. */
  readonly write: number;
  /** Lists, watches and the like; one object is always read. */
  readonly read: number;
}

/** What a controller allows if nobody says: a host that tells of 10,000 machines at once stays below it. */
export const defaultRates: Rates = { write: 1000, read: 200 };
