import { type Ip, ipFamily } from '../../model/address.ts';
import type { NetworkItem, PortItem } from '../../model/host-state.ts';

/** What a guest is told of: its port on this host. */
export interface Instance {
  readonly port: PortItem;
  readonly network: NetworkItem;
  /** Name of the host. */
  readonly host: string;
  /** Of the guest's interface. */
  readonly mtuBytes: number;
}

/** The port's addresses of one family, in their order. */
export const addressesOf = ({ port }: Instance, family: 4 | 6): Ip[] =>
  port.addresses.filter((ip) => ipFamily(ip) === family);
