import type { Gateways } from '../gateway/gateways.ts';
import type { DatapathMaps } from './datapath-maps.ts';
import type { Dhcp } from './dhcp/start.ts';
import type { Dns } from './dns/start.ts';
import type { LeaseBook } from './lease-book.ts';
import type { Metadata } from './metadata/start.ts';
import type { Reconciler } from './reconciler.ts';
import type { Segments } from './segment/start.ts';
import type { ControllerStream } from './stream.ts';
import type { Underlay } from './underlay.ts';
import type { Uploads } from './uploads.ts';

/** What the status is made of. */
export interface StatusParts {
  name: string;
  version: string;
  controller: string;
  reconciler: Reconciler;
  underlay: Underlay;
  maps: DatapathMaps;
  stream: ControllerStream;
  book: LeaseBook;
  uploads: Uploads;
  dns: Pick<Dns, 'status'>;
  dhcp: Pick<Dhcp, 'status'>;
  metadata: Pick<Metadata, 'status'>;
  segments: Pick<Segments, 'status'>;
  gateways: Gateways;
}

/** The agent's condition in one object: is it connected, is it in sync, which ports are not well, what does the host drop. */
export function agentStatus(parts: StatusParts) {
  const { reconciler, underlay, maps, book } = parts;
  const ports = reconciler.conditions;
  return {
    name: parts.name,
    version: parts.version,
    host: reconciler.host,
    vtep: underlay.facts.vtep,
    underlayMtuBytes: underlay.facts.underlayMtuBytes,
    controller: { address: parts.controller, connected: parts.stream.connected },
    synced: reconciler.synced,
    revision: reconciler.revision,
    refused: reconciler.refused,
    ports: { up: ports.filter((p) => p.condition === 'up').length, notUp: ports.filter((p) => p.condition !== 'up') },
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
    vteps: underlay.summary,
    dns: parts.dns.status,
    dhcp: parts.dhcp.status,
    metadata: parts.metadata.status,
    segments: parts.segments.status,
    gateways: parts.gateways.status,
    rows: maps.size,
    counters: maps.counters(0),
    rssBytes: process.memoryUsage.rss(),
  };
}
