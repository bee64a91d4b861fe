/** What `heddle leave` and the agent say to each other: a server leaves Heddle. */
import { type Static, Type } from '#typebox';
import { strict } from './fields.ts';

/** Body of `POST /v1/leave`. */
export const LeaveRequest = Type.Object(
  {
    force: Type.Optional(
      Type.Literal(true, {
        description: 'Whatever is in the way: what uses a network loses it, what cannot be told stays',
      }),
    ),
  },
  strict,
);
export type LeaveRequest = Static<typeof LeaveRequest>;

/** Answer of `GET /v1/leave`. */
export interface LeavePlan {
  readonly host: string;
  /** What would be detached: "port (tenant/network)". */
  readonly attached: readonly string[];
  /** Why it does not leave unless it is forced to, in words. */
  readonly inTheWay: readonly string[];
  /** What is being done; absent: nobody has asked it to leave. */
  readonly step?: string;
}

/** Answer of `POST /v1/leave`, when nothing is left but what it says. The agent ends then. */
export interface Left {
  readonly host: string;
  /** What stays, and what to do about it, in words. */
  readonly stays: readonly string[];
}
