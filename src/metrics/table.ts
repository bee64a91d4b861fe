/**
 * Every metric there is: the one table from which the daemons' answers at `/metrics` and docs/reference/metrics.md come.
 * Names are API. No label has values that a tenant chooses, so the number of series is bounded by the tables of the program.
 */

/** What serves a metric. */
type Server = 'controller' | 'agent';

interface MetricSpec {
  readonly servers: readonly Server[];
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
  /** Of a histogram: upper bounds of its buckets, in seconds, rising. */
  readonly bounds?: readonly number[];
}

const both: readonly Server[] = ['controller', 'agent'];
const controller: readonly Server[] = ['controller'];
const agent: readonly Server[] = ['agent'];

const counter = <L extends string = never>(servers: readonly Server[], help: string, labels: readonly L[] = []) =>
  ({ servers, type: 'counter', labels, help }) as const;
const gauge = <L extends string = never>(servers: readonly Server[], help: string, labels: readonly L[] = []) =>
  ({ servers, type: 'gauge', labels, help }) as const;
const histogram = <L extends string = never>(
  servers: readonly Server[],
  help: string,
  bounds: readonly number[],
  labels: readonly L[] = [],
) => ({ servers, type: 'histogram', labels, help, bounds }) as const;

export const metrics = {
  heddle_build_info: gauge(both, 'Always 1; the labels say what runs.', ['version', 'node']),
  process_cpu_seconds_total: counter(both, 'CPU time that the process has used, user and system.'),
  process_resident_memory_bytes: gauge(both, 'Memory that the process has resident.'),
  process_start_time_seconds: gauge(both, 'When the process began, seconds since 1970.'),
  process_open_fds: gauge(both, 'File descriptors that the process has open.'),
  nodejs_heap_used_bytes: gauge(both, 'Memory of JavaScript objects that is in use.'),
  nodejs_event_loop_busy_seconds_total: counter(
    both,
    'Time in which the event loop was not waiting; its rate is the share of one core that is taken.',
  ),
  heddle_certificate_expiry_timestamp_seconds: gauge(
    both,
    'When a certificate ends, seconds since 1970: the controller’s own and the authority’s; an agent’s, if it has joined.',
    ['of'],
  ),

  heddle_http_requests_total: counter(controller, 'Requests to the API, by route as in the OpenAPI description.', [
    'route',
    'method',
    'code',
  ]),
  heddle_http_request_duration_seconds: histogram(
    controller,
    'From the request to the beginning of its answer; of one with waitMs, the waiting too.',
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    ['route', 'method'],
  ),
  heddle_http_problems_total: counter(controller, 'Requests that were refused or failed, by error code.', ['error']),
  heddle_connections_refused_total: counter(
    controller,
    'Connections that ended without a request, or with what is none: the handshake failed, it was no request or none in time, its client had more than its share, or the server was full.',
    ['why'],
  ),
  heddle_store_revision: gauge(controller, 'Revision of the store that the controller has seen.'),
  heddle_store_oldest_revision: gauge(controller, 'Oldest revision that can still be read.'),
  heddle_audit_records_total: counter(controller, 'Records of the audit log, by what was done, or refused.', [
    'action',
  ]),
  heddle_audit_unrecorded_total: counter(
    controller,
    'Refusals that were not recorded one by one, as one source, or all, had too many; a record says how many.',
  ),
  heddle_audit_failed_total: counter(controller, 'Refusals that could not be recorded.'),
  heddle_audit_size_bytes: gauge(
    controller,
    'Size of the records that are kept: of what was written, and of what was refused.',
    ['of'],
  ),
  heddle_store_size_bytes: gauge(controller, 'Size of the store’s files.'),
  heddle_store_history_bytes: gauge(controller, 'Keys and values that the store keeps of the past.'),
  heddle_store_changes_total: counter(
    controller,
    'Objects that were written since the process began, by whichever controller.',
    ['kind', 'change'],
  ),
  heddle_objects: gauge(controller, 'Objects that there are.', ['kind']),
  heddle_ports: gauge(controller, 'Ports by the condition that their hosts tell of.', ['condition']),
  heddle_hosts: gauge(controller, 'Hosts that are connected to this controller, and that are not.', ['condition']),
  heddle_hosts_behind: gauge(
    controller,
    'Connected hosts that were told of changes 10 s ago or earlier, and have not applied them.',
  ),
  heddle_host_lag_seconds: gauge(controller, 'The longest time that a connected host has owed changes for.'),
  heddle_streams_open: gauge(controller, 'Streams to hosts that are open.'),
  heddle_stream_messages_total: counter(controller, 'Messages with changes that were sent to hosts.'),
  heddle_stream_sent_bytes_total: counter(controller, 'Bytes of these messages.'),
  heddle_publish_rounds_total: counter(controller, 'Revisions of which the hosts concerned were told.'),
  heddle_events_total: counter(controller, 'Events that were noted, as “heddle events” shows them.', ['type']),
  heddle_events_kept: gauge(controller, 'Events that are kept.'),

  heddle_drops_total: counter(agent, 'Packets that the datapath dropped, by reason: docs/reference/reasons.md.', [
    'reason',
  ]),
  heddle_datapath_events_total: counter(agent, 'Packets with something worth a count, by what: the same page.', [
    'reason',
  ]),
  heddle_workload_packets_total: counter(agent, 'Packets that workloads of this host have sent and received.', [
    'direction',
  ]),
  heddle_workload_bytes_total: counter(agent, 'Bytes of these packets, with their Ethernet headers.', ['direction']),
  heddle_agent_ports: gauge(agent, 'Ports of this host, by condition.', ['condition']),
  heddle_reconcile_passes_total: counter(agent, 'Passes that made the kernel have what is desired.', ['result']),
  heddle_reconcile_duration_seconds: histogram(
    agent,
    'Time that a pass took.',
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
  ),
  heddle_reconcile_refused_items: gauge(agent, 'Items whose rows the kernel refuses, beside those of ports.'),
  heddle_controller_connected: gauge(agent, '1 while the stream to the controller is open, else 0.'),
  heddle_controller_streams_total: counter(agent, 'Streams to the controller that began.'),
  heddle_revision_known: gauge(agent, 'Revision of the store that this host was told of.'),
  heddle_revision_applied: gauge(agent, 'Revision of the store that this host has applied.'),
  heddle_map_entries: gauge(agent, 'Rows in a map of the datapath.', ['map']),
  heddle_map_max_entries: gauge(agent, 'Rows that the map has room for.', ['map']),
  heddle_vteps: gauge(agent, 'Other hosts, by the path that packets to them take.', ['path']),
  heddle_gateways: gauge(agent, 'Networks that have a gateway on this host.'),
  heddle_unserved_networks: gauge(agent, 'Networks that lack a service on this host: heddle status says why.', [
    'service',
  ]),
  heddle_leases: gauge(agent, 'Networks of which this host has addresses to give.'),
  heddle_lease_addresses: gauge(agent, 'These addresses, by whether they are at hand or in use.', ['state']),
  heddle_uploads_pending: gauge(agent, 'Ports that the controller has yet to be told of.'),
  heddle_dns_queries_total: counter(agent, 'DNS queries of workloads.'),
  heddle_dns_forwarded_total: counter(agent, 'Those that were forwarded to the host’s resolvers.'),
  heddle_dns_dropped_total: counter(agent, 'Those that had no answer, since their sender asks too fast.'),
  heddle_dns_refused_total: counter(agent, 'Those that were refused, since too many were being forwarded.'),
  heddle_dhcp_messages_total: counter(
    agent,
    'DHCP messages and router solicitations of workloads, by what was answered, or why nothing was.',
    ['outcome'],
  ),
  heddle_metadata_requests_total: counter(agent, 'Requests of guests for their metadata.'),
  heddle_metadata_refused_total: counter(agent, 'Those, and connections, that were over a limit.'),
  heddle_metadata_unknown_total: counter(agent, 'Those from an address of no port of this host.'),
} as const;

export type MetricName = keyof typeof metrics;
/** Names of the metrics of a type. */
export type OfType<T extends MetricSpec['type']> = {
  [N in MetricName]: (typeof metrics)[N]['type'] extends T ? N : never;
}[MetricName];
/** The labels of a metric, each with its value. */
export type Labels<N extends MetricName> = Readonly<Record<(typeof metrics)[N]['labels'][number], string>>;

/** The page docs/reference/metrics.md. */
export function metricsPage(): string {
  const rows = (server: Server): string[] =>
    (Object.entries(metrics) as [string, MetricSpec][])
      .filter(([, { servers }]) => servers.includes(server))
      .map(([name, { type, labels, help }]) => {
        const named = labels.map((label) => `\`${label}\``).join(', ');
        return `| \`${name}\` | ${type} | ${named} | ${help} |`;
      });
  const table = (server: Server) => ['| metric | type | labels | meaning |', '|---|---|---|---|', ...rows(server)];
  return `${[
    '# Metrics',
    '',
    'What the daemons serve at `/metrics`, in the text format of Prometheus 0.0.4. How to reach it: [operating](../guides/operating.md).',
    'No label has names of tenants’ objects, so their number does not grow with these. Counters begin at 0 with the process; those',
    'of the datapath too, whose own counts outlive an agent and are shown by `heddle port show --counters`.',
    'This page is generated from `src/metrics/table.ts`.',
    '',
    '## Controller',
    '',
    ...table('controller'),
    '',
    '## Agent',
    '',
    ...table('agent'),
  ].join('\n')}\n`;
}
