import type { Quota } from '../model/quota.ts';
import type { CallOptions, Connection } from './connection.ts';
import { ifMatch, tenantPath } from './path.ts';

/** How limits are changed. */
export interface QuotaOptions extends CallOptions {
  /** Write only if the limits are at this revision. */
  readonly ifRevision?: string | undefined;
}

/** What tenants may have. */
export interface QuotaClient {
  /** A tenant's limits beside what it has. */
  quota(tenant: string, options?: CallOptions): Promise<Quota>;
  /** Changes limits of a tenant, by unit; null ends one. @throws REVISION_CONFLICT */
  updateQuota(tenant: string, limits: Readonly<Record<string, number | null>>, options?: QuotaOptions): Promise<Quota>;
}

/** Asked over a connection. */
export function quotaClient({ request }: Connection): QuotaClient {
  const pathOf = (tenant: string) => `${tenantPath(tenant)}/quota`;
  return {
    quota: (tenant, options) => request('GET', pathOf(tenant), options) as Promise<Quota>,
    updateQuota: (tenant, limits, { ifRevision, ...options } = {}) =>
      request('PATCH', pathOf(tenant), {
        ...options,
        body: { limits },
        headers: ifMatch(ifRevision),
      }) as Promise<Quota>,
  };
}
