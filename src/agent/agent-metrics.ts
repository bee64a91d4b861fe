import { reasons } from '../datapath/reasons.ts';
import { Counts, Durations } from '../metrics/counts.ts';
import type { Exposition } from '../metrics/exposition.ts';
import { exposeProcess } from '../metrics/process.ts';
import type { MetricName, OfType } from '../metrics/table.ts';
import { DatapathTotals } from './datapath-totals.ts';
import { Rising } from './rising.ts';
import type { AgentStatus, StatusParts } from './status.ts';
import { unserved } from './troubles.ts';

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

/** The metrics of an agent: what it counts itself, and what its parts have when they are asked for. */
export class AgentMetrics {
  readonly #totals: DatapathTotals;
  readonly #passes = new Counts('heddle_reconcile_passes_total');
  readonly #durations = new Durations('heddle_reconcile_duration_seconds');
  readonly #rising = new Map<MetricName, Rising>(serviceCounters.map(([, , name]) => [name, new Rising()]));
  #streams = 0;

  /** To be made before anything is attached. */
  constructor(maps: StatusParts['maps']) {
    this.#totals = new DatapathTotals(maps);
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
  expose(into: Exposition, { reconciler, maps }: StatusParts, status: AgentStatus): void {
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
    if (status.certificate)
      into.set('heddle_certificate_expiry_timestamp_seconds', Date.parse(status.certificate.until) / 1000, {
        of: 'host',
      });
    into.set('heddle_revision_known', BigInt(status.revision));
    into.set('heddle_revision_applied', BigInt(reconciler.applied));
    for (const { name: map, entries, max } of maps.fill()) {
      into.set('heddle_map_entries', entries, { map });
      into.set('heddle_map_max_entries', max, { map });
    }
    for (const path of ['fast', 'slow'] as const) into.set('heddle_vteps', status.vteps[path].length, { path });
    this.#services(into, status);
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

  #services(into: Exposition, status: AgentStatus): void {
    const { gateways, dhcp, leases } = status;
    into.set('heddle_gateways', gateways.networks);
    for (const [service, networks] of Object.entries(unserved(status)))
      into.set('heddle_unserved_networks', networks.length, { service });
    into.set('heddle_leases', leases.length);
    for (const state of ['free', 'used'] as const)
      into.set(
        'heddle_lease_addresses',
        leases.reduce((n, lease) => n + lease[state], 0),
        { state },
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
