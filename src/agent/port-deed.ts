/** What is to be done with the device of a port here, by all that is known of it. Pure. */
import type { NetworkItem, PortItem } from '../model/host-state.ts';
import type { HostNumber } from '../model/ids.ts';
import type { Attachment, LocalPort } from '../model/local-api.ts';
import { isWiredAt } from './guest-place.ts';
import { isWanted } from './local-port.ts';

/** What is known of a port that is behind no other; what is undefined is not there. */
interface KnownPort {
  readonly item: PortItem | undefined;
  readonly network: NetworkItem | undefined;
  readonly attachment: Attachment | undefined;
  readonly self: HostNumber;
  /** The state is whole: what it does not name is gone. */
  readonly synced: boolean;
}

/**
 * ensure: it is to be there. refuse: the controller did not take the port; a device that is there stays, without rows, for those
 * who look. wait: one that is there stays as well, until more is known. leave: it goes. forget: it goes, and so does the record
 * of a port that somebody deleted.
 */
export type PortDeed =
  | {
      readonly kind: 'ensure';
      readonly item: PortItem;
      readonly network: NetworkItem;
      readonly attachment: Attachment;
    }
  | { readonly kind: 'refuse'; readonly why: NonNullable<LocalPort['refused']> }
  | { readonly kind: 'wait' | 'leave' | 'forget' };

export function portDeed({ item, network, attachment, self, synced }: KnownPort): PortDeed {
  const why = attachment?.state === 'detaching' ? undefined : attachment?.local?.refused;
  if (why) return { kind: 'refuse', why };
  const wanted = attachment && isWanted(attachment);
  // The network of one that was made here is told when the controller has been told of it.
  if (wanted && item && isWiredAt(item, self))
    return network ? { kind: 'ensure', item, network, attachment } : { kind: 'wait' };
  if (!synced && (wanted || !attachment)) return { kind: 'wait' };
  return { kind: synced && !item && attachment?.state === 'attached' ? 'forget' : 'leave' };
}
