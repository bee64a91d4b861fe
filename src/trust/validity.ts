/** How long before it is made a certificate holds: clocks of hosts differ. Milliseconds. */
export const SKEW_MS = 5 * 60_000;
export const DAY_MS = 24 * 3_600_000;

/** How long certificates hold from when they are made, milliseconds. */
export const lifetimes = { authority: 10 * 365 * DAY_MS, server: 3 * DAY_MS, host: 3 * DAY_MS } as const;

/** How long after its end a host's certificate still gets it another one, milliseconds: who was off for weeks need not join again. */
export const RENEWABLE_MS = 30 * DAY_MS;

/** Hosts have theirs renewed when two thirds of its time are left, controllers when half: with less, something keeps them from it. */
export const LATE_SHARE = 1 / 3;

/** How much of a certificate's time is left, of 1; less than 0 if it has ended. */
export const shareLeft = (from: Date, to: Date, now: Date): number =>
  (to.getTime() - now.getTime()) / (to.getTime() - from.getTime());

/** From when to when a certificate holds that is made now. */
export const validity = (now: Date, lifetimeMs: number) => ({
  notBefore: new Date(now.getTime() - SKEW_MS),
  notAfter: new Date(now.getTime() + lifetimeMs),
});
