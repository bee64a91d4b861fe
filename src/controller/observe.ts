import { SharedAnswer, type SharedAnswerOptions } from '../listen/shared-answer.ts';
import { Exposition } from '../metrics/exposition.ts';
import type { Store } from '../store/contract.ts';
import type { Audit } from './audit.ts';
import { Chronicle } from './chronicle.ts';
import { judgementOf } from './condition.ts';
import type { ConnectionCounts } from './connections.ts';
import { ControllerMetrics } from './controller-metrics.ts';
import { Events } from './events.ts';
import type { ObserveContext } from './observe-routes.ts';
import type { Presence } from './presence.ts';
import type { Publisher } from './publisher.ts';
import { Readiness } from './readiness.ts';
import { RequestCounts } from './request-log.ts';
import type { World } from './world.ts';

/** What is not of the controller's parts, but of how it was started. */
export interface ObserveOptions {
  /** Of this program. Default: "unknown". */
  readonly version?: string;
  /** Size of the store's files, bytes. Default: it has none. */
  readonly storeBytes?: () => number | undefined;
  /** Default: the machine's clock. */
  readonly now?: () => Date;
  /** How long metrics and the condition hold once they are asked for. */
  readonly shared?: SharedAnswerOptions;
}

/** Has the parts of a controller watched: by events, counts, and who asks how it is. */
export function observe(
  parts: {
    store: Store;
    world: World;
    presence: Presence;
    publisher: Publisher;
    audit: Audit;
    connections: Pick<ConnectionCounts, 'expose'>;
    /** The controller's own, PEM; undefined: nobody reaches it by TLS. */
    certificate: () => string | undefined;
  },
  { version = 'unknown', storeBytes = () => undefined, shared, now = () => new Date() }: ObserveOptions,
): ObserveContext & { failed(cause: unknown): void } {
  const { world, presence, certificate } = parts;
  const events = new Events({ now });
  const requests = new RequestCounts();
  const chronicle = new Chronicle(world, events);
  const metrics = new ControllerMetrics({ ...parts, events, requests, storeBytes, version });
  const readiness = new Readiness(parts);
  world.listeners.add(metrics.observe);
  world.listeners.add(chronicle.observe);
  presence.listeners.add(chronicle);
  const asked = { world, presence, certificate, version, startedAt: now(), now };
  const text = new SharedAnswer(() => Exposition.of(metrics.expose), shared);
  return {
    events,
    requests,
    condition: new SharedAnswer(() => judgementOf(asked), shared),
    observed: { metrics: () => text.get(), readiness: readiness.checks },
    now,
    failed: readiness.fail,
  };
}
