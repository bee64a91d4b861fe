import type { Kind } from '../model/kinds.ts';
import { addressRules } from './address.ts';
import { grantRules } from './grant.ts';
import { hostRules } from './host.ts';
import { leaseRules } from './lease.ts';
import { networkRules } from './network.ts';
import { portRules } from './port.ts';
import { routerRules } from './router.ts';
import type { Rules } from './rules.ts';
import { subnetRules } from './subnet.ts';
import { tenantRules } from './tenant.ts';

/** The rules of every kind. */
export const rules: { readonly [K in Kind]: Rules<K> } = {
  tenant: tenantRules,
  network: networkRules,
  subnet: subnetRules,
  port: portRules,
  address: addressRules,
  lease: leaseRules,
  router: routerRules,
  host: hostRules,
  grant: grantRules,
};
