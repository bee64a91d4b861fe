/** The mark of a host-side device in its alias: whose it is, and whether it was here before. */
import { isUuid, type PortId } from '../model/ids.ts';

const made = 'heddle:';
const taken = 'heddle-taken:';

/** Of a device that goes with its port. */
export const madeAlias = (port: PortId): string => made + port;
/** Of a tap that is left when its port goes. */
export const takenAlias = (port: PortId): string => taken + port;
export const isTaken = (alias: string | undefined): boolean => alias?.startsWith(taken) ?? false;

/** The port whose device has this alias. */
export function portOfAlias(alias: string | undefined): PortId | undefined {
  const prefix = [made, taken].find((p) => alias?.startsWith(p));
  const id = prefix === undefined ? '' : alias!.slice(prefix.length);
  return isUuid(id) ? (id as PortId) : undefined;
}
