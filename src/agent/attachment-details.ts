import { networkMtu } from '../compile/facts.ts';
import { HeddleError } from '../model/errors.ts';
import { portKey } from '../model/host-state.ts';
import type { Attachment, AttachmentDetails } from '../model/local-api.ts';
import type { Reconciler } from './reconciler.ts';

/** An attachment with what its workload must know; asked of nobody else. @throws NOT_FOUND if this host was never told of its port */
export function attachmentDetails(reconciler: Reconciler, attachment: Attachment): AttachmentDetails {
  const port = reconciler.items.get(portKey(attachment.port));
  const network = port?.kind === 'port' ? reconciler.state.networks.get(port.network) : undefined;
  const facts = reconciler.facts();
  if (port?.kind !== 'port' || !network || !facts)
    throw new HeddleError('NOT_FOUND', { kind: 'port', name: attachment.name });
  return { attachment, mac: port.mac, addresses: port.addresses, mtuBytes: networkMtu(network, facts) };
}
