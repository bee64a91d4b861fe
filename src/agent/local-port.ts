import { type Mac, macOfSlaac, macText } from '../model/address.ts';
import type { PortItem } from '../model/host-state.ts';
import type { HostNumber, NetworkId } from '../model/ids.ts';
import type { Port } from '../model/kinds.ts';
import type { Attachment, LocalPort } from '../model/local-api.ts';
import { type Briefing, briefingOf } from '../model/metadata.ts';
import type { Leased } from './lease-book.ts';

/** How far this host has been told. */
export interface Told {
  readonly self: HostNumber;
  /** Revision of the last whole state. */
  readonly revision: string;
  /** It came from a controller in this process's life. */
  readonly synced: boolean;
}

/**
 * A port as this host is to treat it. One that was made here counts from its record until the state is so new that the
 * controller's word must be in it; if it is not, somebody has deleted the port. A refused one is none.
 */
export function effectivePort(
  attachment: Attachment | undefined,
  told: PortItem | undefined,
  { self, revision, synced }: Told,
): PortItem | undefined {
  const local = attachment?.local;
  if (!attachment || !local || attachment.state === 'detaching') return told;
  if (local.refused) return undefined;
  const { port: id, name } = attachment;
  const { network, mac, addresses, dnsNames, publish, confirmed, changed } = local;
  const own: PortItem = {
    kind: 'port',
    id,
    name,
    dnsNames,
    network,
    mac,
    addresses,
    host: self,
    publish,
    ...briefingOf(local),
    revision: '0',
  };
  if (confirmed === undefined || BigInt(revision) < BigInt(confirmed)) return own;
  if (!told) return synced ? undefined : own;
  if (changed.length === 0 || told.host !== self) return told;
  const news = Object.fromEntries(changed.filter((f) => f !== 'labels').map((field) => [field, own[field]]));
  return { ...told, ...news };
}

/** What hangs on the port is wanted in the kernel. */
export const isWanted = (attachment: Attachment): boolean =>
  attachment.state !== 'detaching' && (attachment.kind !== 'pair' || attachment.plug !== undefined);

/** A workload may hang on it: whoever attached it has been told that it is there. */
export const isInUse = (attachment: Attachment): boolean =>
  attachment.state === 'attached' && (attachment.kind !== 'pair' || attachment.plug?.state === 'made');

/** The controller has yet to be told of it. */
export const isPending = ({ state, local }: Attachment): boolean =>
  state === 'detaching' || (local !== undefined && !local.refused && (!local.confirmed || local.changed.length > 0));

/** A MAC for a port without addresses: locally administered, unicast (IEEE 802 §8.4.2). */
const randomMac = (): Mac => macText([0x02, ...crypto.getRandomValues(new Uint8Array(5))]);

/** The MAC that one of the addresses is made of (SLAAC), else that of the first. */
const macOf = (leased: readonly Leased[]): Mac | undefined =>
  (leased.find(({ ip, mac }) => macOfSlaac(ip) === mac) ?? leased[0])?.mac;

/** A port that is made here now; its MAC is that of its addresses. */
export const newLocalPort = (
  network: NetworkId,
  leased: readonly Leased[],
  { labels = {}, ...told }: { readonly labels?: Readonly<Record<string, string>> | undefined } & Briefing = {},
): LocalPort => ({
  network,
  mac: macOf(leased) ?? randomMac(),
  addresses: leased.map(({ ip }) => ip),
  leased: leased.map(({ ip, mac }) => ({ ip, mac })),
  dnsNames: [],
  labels,
  publish: [],
  ...briefingOf(told),
  createdAt: new Date().toISOString(),
  changed: [],
});

/** It as the controller shows it; "0" stands for the revision as long as that does not know it. */
export function shownPort(
  { port: id, name, local }: Attachment & { readonly local: LocalPort },
  { tenant, host, device }: { tenant: string; host: string | undefined; device: string },
): Port {
  const { network, mac, addresses, dnsNames, publish, labels, createdAt, confirmed: revision = '0' } = local;
  return {
    ...{ id, revision, createdAt, tenant, name, network, mac, addresses: [...addresses] },
    ...(host !== undefined && { host }),
    ...{ dnsNames: [...dnsNames], publish: [...publish], ephemeral: true, labels: { ...labels } },
    ...briefingOf(local),
    status: { condition: 'up', device },
  };
}
