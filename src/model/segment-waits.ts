/** Reasons for which a host does not forward for a segment, and nothing is wrong: it waits for its turn. */
export const segmentWaits: ReadonlySet<string> = new Set(['standby', 'listening', 'waiting']);
