import { HeddleError } from '../model/errors.ts';
import { type Kind, kinds } from '../model/kinds.ts';

/** "/v1/tenants/acme": a tenant, by name or id. */
export const tenantPath = (tenant: string): string => `/v1/tenants/${encodeURIComponent(tenant)}`;

/** The path of a kind's collection, or of one object in it. @throws USAGE if the kind needs a tenant and none is given */
export function pathOf(kind: Kind, tenant: string | undefined, ref?: string): string {
  const { plural, scope } = kinds[kind];
  if (scope === 'tenant' && tenant === undefined)
    throw new HeddleError('USAGE', { problem: `a ${kind} belongs to a tenant: say which` });
  const isTenants = scope === 'tenant' || (scope === 'either' && tenant !== undefined);
  const base = isTenants ? `${tenantPath(tenant!)}/${plural}` : `/v1/${plural}`;
  return ref === undefined ? base : `${base}/${encodeURIComponent(ref)}`;
}

/** The header of a write that depends on a revision. */
export const ifMatch = (revision: string | undefined): Readonly<Record<string, string>> =>
  revision === undefined ? {} : { 'if-match': `"${revision}"` };
