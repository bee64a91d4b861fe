import type { Store } from '../store/contract.ts';
import { Chronicle } from './chronicle.ts';
import { Events } from './events.ts';
import { Observation } from './observation.ts';
import type { ObserveContext } from './observe-routes.ts';
import type { Presence } from './presence.ts';
import type { Publisher } from './publisher.ts';
import { RequestCounts } from './request-log.ts';
import type { World } from './world.ts';

/** What is not of the controller's parts, but of how it was started. */
export interface ObserveOptions {
  /** Of this program. Default: "unknown". */
  readonly version?: string;
  /** Size of the store's files, bytes. Default: it has none. */
  readonly storeBytes?: () => number | undefined;
}

/** Has the parts of a controller watched: by events, counts, and who asks how it is. */
export function observe(
  parts: { store: Store; world: World; presence: Presence; publisher: Publisher },
  { version = 'unknown', storeBytes = () => undefined }: ObserveOptions,
): ObserveContext & { failed(cause: unknown): void } {
  const { world, presence } = parts;
  const now = () => new Date();
  const events = new Events({ now });
  const requests = new RequestCounts();
  const chronicle = new Chronicle(world, events);
  const observed = new Observation({ ...parts, events, requests, storeBytes, version });
  world.listeners.add(observed.observe);
  world.listeners.add(chronicle.observe);
  presence.listeners.add(chronicle);
  return { events, requests, observed, version, startedAt: now(), now, failed: (cause) => observed.fail(cause) };
}
