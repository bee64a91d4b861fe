import { newStrangersAgent } from '../../../client/tls.ts';
import { send } from '../../../client/transport.ts';
import { HeddleError } from '../../../model/errors.ts';
import { SKEW_MS } from '../../../trust/validity.ts';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, unknown, warn } from '../finding.ts';

const deadlineMs = 3_000;
/** What a Date header tells is true to the second, and the answer was on its way. */
const toleranceMs = 5_000;

/** This host's clock beside the controller's. */
interface ClockFacts {
  /** This host's time less the controller's, milliseconds; absent: the controller did not say. */
  readonly aheadMs?: number;
}

export function judgeClock({ aheadMs }: ClockFacts): Finding[] {
  if (aheadMs === undefined) return [unknown('the controller has not told its time')];
  if (Math.abs(aheadMs) <= toleranceMs) return [ok('the clock agrees with the controller’s')];
  const seconds = Math.round(Math.abs(aheadMs) / 1_000);
  const text = `the clock is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} the controller’s`;
  const advice = 'run a time service, chrony or systemd-timesyncd, on this host and at the controller';
  if (Math.abs(aheadMs) > SKEW_MS) return [fail(`${text}: certificates may not hold by it`, advice)];
  return [warn(`${text}: logs and events of hosts do not fit together`, advice)];
}

/** The middle of the second that a Date header names; undefined: it names none. */
export function timeOf(header: string | undefined): number | undefined {
  const ms = Date.parse(header ?? '');
  return Number.isNaN(ms) ? undefined : ms + 500;
}

export const clock = makeCheck({
  name: 'clock',
  about: 'this host’s clock against the controller’s',
  gather: async ({ controller }, signal): Promise<ClockFacts> => {
    const unreachable = (problem: string, cause: unknown) =>
      new HeddleError('CONTROLLER_UNREACHABLE', { address: controller, problem }, cause);
    // Its certificate may not hold by this clock, which is what is asked here.
    const agent = newStrangersAgent();
    try {
      const before = Date.now();
      const answer = await send({ address: controller, agent }, 'GET', '/healthz', { deadlineMs, signal }, unreachable);
      const after = Date.now();
      answer.destroy();
      const theirs = timeOf(answer.headers.date);
      return theirs === undefined ? {} : { aheadMs: (before + after) / 2 - theirs };
    } finally {
      agent.destroy();
    }
  },
  judge: judgeClock,
});
