import type { Gateways } from '../gateway/gateways.ts';
import { type PortItem, portKey } from '../model/host-state.ts';
import type { PortId } from '../model/ids.ts';
import type { Attachments } from './attachments.ts';
import type { PortReport } from './conditions.ts';
import type { DatapathMaps } from './datapath-maps.ts';
import type { Dhcp } from './dhcp/start.ts';
import type { Dns } from './dns/start.ts';
import type { StartWarning } from './doctor/at-start.ts';
import type { LeaseBook } from './lease-book.ts';
import type { Metadata } from './metadata/start.ts';
import type { Moves } from './moves.ts';
import { tellNotGiven } from './not-given.ts';
import type { OwnCertificate } from './own-certificate.ts';
import type { Reconciler } from './reconciler.ts';
import type { Segments } from './segment/start.ts';
import type { Sharing } from './shared/start.ts';
import type { ControllerStream } from './stream.ts';
import type { ThisHost } from './this-host.ts';
import { type PortNotUp, troublesOf } from './troubles.ts';
import type { Underlay } from './underlay.ts';
import type { Uploads } from './uploads.ts';

/** What the status is made of. */
export interface StatusParts {
  thisHost: ThisHost;
  version: string;
  controller: string;
  reconciler: Reconciler;
  attachments: Pick<Attachments, 'get'>;
  underlay: Underlay;
  maps: DatapathMaps;
  stream: ControllerStream;
  /** What the host joined with; undefined: the controller is this machine's. */
  own: Pick<OwnCertificate, 'status'> | undefined;
  book: LeaseBook;
  uploads: Uploads;
  moves: Pick<Moves, 'refusal'>;
  sharing: Pick<Sharing, 'refusal'>;
  dns: Pick<Dns, 'status'>;
  dhcp: Pick<Dhcp, 'status'>;
  metadata: Pick<Metadata, 'status'>;
  segments: Pick<Segments, 'status'>;
  gateways: Gateways;
  /** What was not well when the agent began. */
  startWarnings: readonly StartWarning[];
}

/** The agent's condition in one object: is it connected, is it in sync, which ports are not well, what does the host drop. */
export function agentStatus(parts: StatusParts) {
  const { reconciler, underlay, maps, book } = parts;
  const ports = reconciler.conditions;
  const tell = tellNotGiven(parts.thisHost);
  const status = {
    name: parts.thisHost.name,
    version: parts.version,
    host: reconciler.host,
    vtep: underlay.facts.vtep,
    underlayMtuBytes: underlay.facts.underlayMtuBytes,
    controller: { address: parts.controller, connected: parts.stream.connected },
    certificate: parts.own?.status,
    synced: reconciler.synced,
    revision: reconciler.revision,
    refused: reconciler.refused,
    ports: {
      up: ports.filter((p) => p.condition === 'up').length,
      notUp: ports.filter((p) => p.condition !== 'up').map((p) => notUp(parts, p)),
    },
    leases: book.networks().map((id) => {
      const network = reconciler.state.networks.get(id);
      return {
        network: network ? `${network.tenant}/${network.name}` : id,
        free: book.free(id).length,
        used: book.used(id).size,
        ...(book.isClosing(id) && { closing: true }),
      };
    }),
    /** Ports that the controller has yet to be told of. */
    pendingUploads: parts.uploads.pending,
    untold: {
      anything: parts.stream.refusal?.message,
      ports: tell(parts.uploads.refusal)?.message,
      moves: tell(parts.moves.refusal)?.message,
      'shared addresses': tell(parts.sharing.refusal)?.message,
    },
    vteps: underlay.summary,
    dns: parts.dns.status,
    dhcp: parts.dhcp.status,
    metadata: parts.metadata.status,
    segments: parts.segments.status,
    gateways: parts.gateways.status,
    rows: maps.size,
    counters: maps.counters(0),
    rssBytes: process.memoryUsage.rss(),
    startWarnings: parts.startWarnings,
  };
  return { ...status, troubles: troublesOf(status) };
}

export type AgentStatus = ReturnType<typeof agentStatus>;

function notUp({ reconciler, attachments, stream }: StatusParts, report: PortReport): PortReport & PortNotUp {
  const id = report.id as PortId;
  const key = portKey(id);
  const attachment = attachments.get(id);
  const name = attachment
    ? `${attachment.tenant}/${attachment.name}`
    : ((reconciler.items.get(key) as PortItem | undefined)?.name ?? id);
  const isTold = !attachment?.local?.refused && reconciler.state.told.has(key);
  return { ...report, name, told: stream.connected && isTold };
}
