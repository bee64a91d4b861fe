/** What an agent tells of itself: metrics, whether it is ready, and what the controller asks of its health. */
import { reasons } from '../datapath/reasons.ts';
import type { Check, Observed } from '../listen/observed-routes.ts';
import { Counts, Durations } from '../metrics/counts.ts';
import type { Exposition } from '../metrics/exposition.ts';
import { exposeProcess } from '../metrics/process.ts';
import type { MetricName, OfType } from '../metrics/table.ts';
import { limits } from '../model/fields.ts';
import type { HostHealth } from '../model/host-state.ts';
import { segmentWaits } from '../model/segment-waits.ts';
import { DatapathTotals } from './datapath-totals.ts';
import { Rising } from './rising.ts';
import type { agentStatus, StatusParts } from './status.ts';

type Status = ReturnType<typeof agentStatus>;

/** Counters of services: where the service has it, and the metric that it is. */
const serviceCounters = [
  ['dns', 'queries', 'heddle_dns_queries_total'],
  ['dns', 'forwarded', 'heddle_dns_forwarded_total'],
  ['dns', 'dropped', 'heddle_dns_dropped_total'],
  ['dns', 'refused', 'heddle_dns_refused_total'],
  ['metadata', 'requests', 'heddle_metadata_requests_total'],
  ['metadata', 'refused', 'heddle_metadata_refused_total'],
  ['metadata', 'unknown', 'heddle_metadata_unknown_total'],
] as const satisfies readonly (readonly ['dns' | 'metadata', string, OfType<'counter'>])[];

export class Observation implements Observed {
  readonly #totals: DatapathTotals;
  readonly #passes = new Counts('heddle_reconcile_passes_total');
  readonly #durations = new Durations('heddle_reconcile_duration_seconds');
  readonly #rising = new Map<MetricName, Rising>(serviceCounters.map(([, , name]) => [name, new Rising()]));
  #streams = 0;
  /** Undefined until the agent has all its parts. */
  #parts: StatusParts | undefined;
  #status: (() => Status) | undefined;

  /** To be made before anything is attached. */
  constructor(maps: StatusParts['maps']) {
    this.#totals = new DatapathTotals(maps);
  }

  /** The agent has all its parts. */
  begin(parts: StatusParts, status: () => Status): void {
    this.#parts = parts;
    this.#status = status;
  }

  /** A reconcile pass took so long. */
  readonly timed = (ms: number, whole: boolean): void => {
    this.#passes.add({ result: whole ? 'ok' : 'failed' });
    this.#durations.observe({}, ms / 1000);
  };

  /** A stream to the controller began. */
  streamed(): void {
    this.#streams++;
  }

  /** Cost: what {@link DatapathTotals} and the rows of all maps cost. */
  readonly metrics = (into: Exposition): void => {
    if (!this.#parts || !this.#status) return;
    const { reconciler, maps } = this.#parts;
    const status = this.#status();
    exposeProcess(into, status.version);
    this.#datapath(into);
    this.#passes.expose(into);
    this.#durations.expose(into);
    const conditions = Map.groupBy(reconciler.conditions, ({ condition }) => condition);
    for (const condition of ['up', 'pending', 'error'] as const)
      into.set('heddle_agent_ports', conditions.get(condition)?.length ?? 0, { condition });
    into.set('heddle_reconcile_refused_items', status.refused.length);
    into.set('heddle_controller_connected', Number(status.controller.connected));
    into.set('heddle_controller_streams_total', this.#streams);
    into.set('heddle_revision_known', BigInt(status.revision));
    into.set('heddle_revision_applied', BigInt(reconciler.applied));
    for (const { name: map, entries, max } of maps.fill()) {
      into.set('heddle_map_entries', entries, { map });
      into.set('heddle_map_max_entries', max, { map });
    }
    for (const path of ['fast', 'slow'] as const) into.set('heddle_vteps', status.vteps[path].length, { path });
    this.#services(into, status);
  };

  /** It can wire ports: it knows which host it is, from the controller or from its cache. */
  readonly readiness = (): Check[] => {
    const status = this.#status?.();
    const knows = status?.host !== undefined;
    const state = {
      name: 'state',
      ok: knows,
      detail: knows ? `at revision ${status.revision}` : 'no controller has told it anything yet',
    };
    // Without a controller it goes on with what it knows.
    const connected = status?.controller.connected === true;
    return [
      state,
      { name: 'controller', ok: true, detail: connected ? 'connected' : 'not connected; going on with what is known' },
    ];
  };

  /** For the controller, when it asks. @throws INTERNAL never: it is asked on a stream, which begins with all parts */
  health(): HostHealth {
    const { maps } = this.#parts!;
    return {
      nowMs: Date.now(),
      maps: maps.fill(),
      troubles: troublesOf(this.#status!()).slice(0, limits.troublesPerHost),
    };
  }

  #datapath(into: Exposition): void {
    const counted = this.#totals.reasons;
    for (const [i, { name, kind }] of reasons.entries())
      into.set(kind === 'drop' ? 'heddle_drops_total' : 'heddle_datapath_events_total', counted[i]!, { reason: name });
    const [txPackets, txBytes, rxPackets, rxBytes] = this.#totals.traffic;
    into.set('heddle_workload_packets_total', txPackets, { direction: 'sent' });
    into.set('heddle_workload_packets_total', rxPackets, { direction: 'received' });
    into.set('heddle_workload_bytes_total', txBytes, { direction: 'sent' });
    into.set('heddle_workload_bytes_total', rxBytes, { direction: 'received' });
  }

  #services(into: Exposition, status: Status): void {
    const { gateways, dns, dhcp, metadata, leases } = status;
    into.set('heddle_gateways', gateways.networks);
    for (const [service, list] of Object.entries({
      gateway: gateways.problems,
      dns: dns.failed,
      dhcp: dhcp.failed,
      metadata: metadata.failed,
    }))
      into.set('heddle_unserved_networks', list.length, { service });
    into.set('heddle_leases', leases.length);
    into.set(
      'heddle_lease_addresses',
      leases.reduce((n, { free }) => n + free, 0),
      { state: 'free' },
    );
    into.set(
      'heddle_lease_addresses',
      leases.reduce((n, { used }) => n + used, 0),
      { state: 'used' },
    );
    into.set('heddle_uploads_pending', status.pendingUploads);
    for (const [service, counter, name] of serviceCounters) {
      const count = (status[service] as unknown as Record<string, number>)[counter]!;
      into.set(name, this.#rising.get(name)!.of(count));
    }
    for (const [outcome, count] of Object.entries(dhcp.messages))
      into.set('heddle_dhcp_messages_total', count, { outcome });
  }
}

/** What a host lacks, in words. */
export function troublesOf({
  gateways,
  dns,
  dhcp,
  metadata,
  segments,
  refused,
}: Pick<Status, 'gateways' | 'dns' | 'dhcp' | 'metadata' | 'segments' | 'refused'>): HostHealth['troubles'] {
  const services = Object.entries({
    gateway: gateways.problems,
    names: dns.failed,
    dhcp: dhcp.failed,
    metadata: metadata.failed,
  });
  const lacks = services.flatMap(([what, list]) =>
    list.map(({ network, problem = 'none' }) => ({ what, text: `network ${network}: ${problem}` })),
  );
  const still = (segments as readonly { port?: string; held?: string; problem?: string }[]).flatMap(
    ({ port = '', held, problem }) =>
      problem !== undefined || (held !== undefined && !segmentWaits.has(held))
        ? [{ what: 'segment', text: `${port}: ${problem ?? `forwards nothing: ${held}`}` }]
        : [],
  );
  const outside = gateways.outside === undefined ? [] : [{ what: 'outside', text: gateways.outside }];
  const rows =
    refused.length === 0
      ? []
      : [{ what: 'rows', text: `the kernel refuses those of ${refused.slice(0, 5).join(', ')}` }];
  return [...rows, ...outside, ...lacks, ...still].map(({ what, text }) => ({ what, text: text.slice(0, 500) }));
}
