import { portKey } from '../model/host-state.ts';
import type { Attachment } from '../model/local-api.ts';
import type { HostItems } from './host-items.ts';

/** The tenant of an attachment's port by the name that it has now; as the caller gave it while the port is not known. */
export function tenantOf(
  { port, tenant, local }: Attachment,
  { told, networks }: Pick<HostItems, 'told' | 'networks'>,
): string {
  const item = told.get(portKey(port));
  const network = local?.network ?? (item?.kind === 'port' ? item.network : undefined);
  return (network && networks.get(network)?.tenant) ?? tenant;
}
