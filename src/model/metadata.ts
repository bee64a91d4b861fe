import { type Ip, ipFamily } from './address.ts';
import { HeddleError } from './errors.ts';
import { limits } from './fields.ts';

/** Where a workload asks about itself: Amazon's addresses, that cloud images know. Its host answers there; no port has them. */
export const metadataAddresses: readonly Ip[] = ['169.254.169.254' as Ip, 'fd00:ec2::254' as Ip];

/** Those of the families that a network's gateways are of. */
export const metadataAddressesOf = (gateways: readonly Ip[]): Ip[] =>
  metadataAddresses.filter((ip) => gateways.some((gateway) => ipFamily(gateway) === ipFamily(ip)));

/** What a port's guest is told besides what the port is; absent where there is nothing to tell. */
export interface Briefing {
  readonly userData?: string;
  readonly sshKeys?: readonly string[];
}

/** These fields of an object that has more of them, as a copy; an empty list is left out. */
export const briefingOf = (
  from: { [F in keyof Briefing]: Briefing[F] | undefined },
): {
  userData?: string;
  sshKeys?: string[];
} => ({
  ...(from.userData !== undefined && { userData: from.userData }),
  ...(from.sshKeys && from.sshKeys.length > 0 && { sshKeys: [...from.sshKeys] }),
});

/** The same of what somebody has sent. @throws INVALID if the user data are too long */
export function parseBriefing(from: Parameters<typeof briefingOf>[0]): ReturnType<typeof briefingOf> {
  const bytes = new TextEncoder().encode(from.userData).length;
  const most = limits.userDataBytes;
  if (bytes > most)
    throw new HeddleError('INVALID', { field: 'userData', problem: `it has ${bytes} bytes, and may have ${most}` });
  return briefingOf(from);
}
