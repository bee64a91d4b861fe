/** Where the guest of a tap with two bindings is: of that, its hosts may know more than the controller does yet. */
import { swapped } from '../compile/binding.ts';
import type { PortItem } from '../model/host-state.ts';
import { isPlace } from '../model/ids.ts';
import type { Attachment, TapAttachment } from '../model/local-api.ts';
import type { Told } from './local-port.ts';

/**
 * The port with its bindings swapped, if this host knows that its guest is at the other one: it was heard here, where the
 * port stands by, the tap is still open, and the controller's state is older than its word on that; or it is bound here, and
 * nobody has its tap open, or it is detached, which leaves it to the other one. `open`: of this host's tap, if there is one.
 */
export function placedPort(
  port: PortItem,
  attachment: Attachment | undefined,
  open: boolean | undefined,
  { self, revision }: Told,
): PortItem {
  const { host, standby, origin, ...rest } = port;
  if (isPlace(host) || standby === undefined || attachment?.kind !== 'tap') return port;
  const elsewhere = { ...rest, ...swapped({ host, standby, origin }) };
  const leaves = attachment.state === 'detaching';
  if (host === self) return leaves || open === false ? elsewhere : port;
  const { heard } = attachment;
  if (standby !== self || !heard || leaves || open === false) return port;
  return heard.confirmed === undefined || BigInt(revision) < BigInt(heard.confirmed) ? elsewhere : port;
}

/** A port behind one whose guest is known to be at its other host, is there too. */
export function placedBehind(port: PortItem, front: PortItem | undefined): PortItem {
  if (front?.standby === undefined || port.host !== front.standby || port.standby !== front.host) return port;
  const { origin: _, ...rest } = port;
  return {
    ...rest,
    host: front.host,
    standby: front.standby,
    ...(front.origin !== undefined && { origin: front.origin }),
  };
}

/** A machine on a physical segment that this host serves: it is at the segment's place, whichever host forwards. */
const isMachineHere = ({ host, behind }: PortItem): boolean => isPlace(host) && behind !== undefined;

/** It is wired on this host: bound to it, or standing by here. */
export const isWiredAt = (port: PortItem, self: number | undefined): boolean =>
  self !== undefined && (port.host === self || port.standby === self || isMachineHere(port));

/** What it asks is asked here. Of a machine on a segment both hosts may be asked: its frames come to the one that forwards. */
export const isServedAt = (port: PortItem, self: number | undefined): boolean =>
  self !== undefined && (port.host === self || isMachineHere(port));

/** Its guest has come here, of which the controller has yet to be told. */
export const hasArrived = (attachment: Attachment): attachment is TapAttachment =>
  attachment.kind === 'tap' &&
  attachment.state === 'attached' &&
  attachment.heard !== undefined &&
  attachment.heard.confirmed === undefined;
