import { Counts } from '../metrics/counts.ts';
import type { Exposition } from '../metrics/exposition.ts';
import { exposeProcess } from '../metrics/process.ts';
import { behindMs } from '../model/condition.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import type { Store } from '../store/contract.ts';
import { notAfterOf } from '../trust/bundle.ts';
import type { Audit } from './audit.ts';
import type { ConnectionCounts } from './connections.ts';
import type { Events } from './events.ts';
import type { Presence } from './presence.ts';
import type { Publisher } from './publisher.ts';
import type { RequestCounts } from './request-log.ts';
import type { World, WorldChange } from './world.ts';

interface MetricsParts {
  readonly world: World;
  readonly presence: Presence;
  readonly publisher: Publisher;
  readonly events: Events;
  readonly requests: RequestCounts;
  readonly connections: Pick<ConnectionCounts, 'expose'>;
  readonly audit: Pick<Audit, 'expose'>;
  readonly store: Pick<Store, 'extent'>;
  /** Size of the store's files; undefined if it has none. */
  readonly storeBytes: () => number | undefined;
  /** The controller's own certificate, PEM; undefined: nobody reaches it by TLS. */
  readonly certificate: () => string | undefined;
  readonly version: string;
}

const kindNames = Object.keys(kinds) as Kind[];
const portConditions = ['up', 'pending', 'error', 'unknown', 'unbound'] as const;

/** The metrics of a controller: what it counts itself, and what its parts have when they are asked for. */
export class ControllerMetrics {
  readonly #parts: MetricsParts;
  readonly #changes = new Counts('heddle_store_changes_total');

  constructor(parts: MetricsParts) {
    this.#parts = parts;
  }

  /** To be called by the world. */
  readonly observe = (changes: readonly WorldChange[]): void => {
    for (const { kind, before, after } of changes)
      if (before !== after) this.#changes.add({ kind, change: before ? (after ? 'updated' : 'deleted') : 'created' });
  };

  /** Cost: all ports. */
  readonly expose = async (into: Exposition): Promise<void> => {
    const { world, presence, publisher, events, requests, connections, audit, store, storeBytes, version } =
      this.#parts;
    const { oldest, pastBytes } = await store.extent();
    exposeProcess(into, version);
    requests.expose(into);
    connections.expose(into);
    this.#changes.expose(into);
    into.set('heddle_store_revision', world.revision);
    into.set('heddle_store_oldest_revision', oldest);
    into.set('heddle_store_history_bytes', pastBytes);
    await audit.expose(into);
    const bytes = storeBytes();
    if (bytes !== undefined) into.set('heddle_store_size_bytes', bytes);
    for (const kind of kindNames) into.set('heddle_objects', world.objects(kind).size, { kind });
    this.#ports(into);
    this.#certificates(into);
    const lags = [...presence.hosts()].map((host) => presence.get(host)!.lagMs());
    into.set('heddle_hosts', lags.length, { condition: 'online' });
    into.set('heddle_hosts', Math.max(0, world.host.size - lags.length), { condition: 'offline' });
    into.set('heddle_hosts_behind', lags.filter((ms) => ms >= behindMs).length);
    into.set('heddle_host_lag_seconds', Math.max(0, ...lags) / 1000);
    into.set('heddle_streams_open', lags.length);
    into.set('heddle_stream_messages_total', publisher.sent.messages);
    into.set('heddle_stream_sent_bytes_total', publisher.sent.bytes);
    into.set('heddle_publish_rounds_total', publisher.rounds);
    for (const [type, count] of events.counts) into.set('heddle_events_total', count, { type });
    into.set('heddle_events_kept', events.kept);
  };

  #certificates(into: Exposition): void {
    const { world, certificate } = this.#parts;
    const shown = { authority: world.trust.authority?.record.current.certificate, controller: certificate() };
    for (const [of, pem] of Object.entries(shown))
      if (pem !== undefined)
        into.set('heddle_certificate_expiry_timestamp_seconds', Date.parse(notAfterOf(pem)) / 1000, { of });
  }

  #ports(into: Exposition): void {
    const { world, presence } = this.#parts;
    const counts = new Map<string, number>(portConditions.map((condition) => [condition, 0]));
    for (const { record } of world.port.values()) {
      const { condition } = presence.portStatus(record, world.bindingOf(record));
      counts.set(condition, (counts.get(condition) ?? 0) + 1);
    }
    for (const [condition, count] of counts) into.set('heddle_ports', count, { condition });
  }
}
