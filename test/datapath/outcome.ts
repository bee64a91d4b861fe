/** What must come of a frame. */
import type { ReasonName } from '../../src/datapath/reasons.ts';

export interface Outcome {
  readonly verdict: 'pass' | 'drop' | 'redirect';
  readonly counts: readonly (readonly [slot: number, reason: ReasonName])[];
  /** Slots whose traffic counters move by one packet, and its bytes. */
  readonly tx?: readonly [slot: number, bytes: number];
  readonly rx?: readonly [slot: number, bytes: number];
  /** The frame that the receiver must get: the inner one, where it is encapsulated to `host`. */
  readonly frame?: Uint8Array;
  readonly host?: number;
  /** The VNI that it is encapsulated with. */
  readonly vni?: number;
  /** The packet of which it keeps TOS, source port and lengths. */
  readonly outer?: Uint8Array;
}
