/** The tenants that a host is given: there it makes and attaches ports for its local users. */
import { everyTenant } from '../model/kinds.ts';
import { type Access, forbidden } from './access.ts';
import { must } from './rules.ts';
import type { World } from './world.ts';

/** By id, in order; what it had, and is gone by now, is left out. @throws NOT_FOUND */
export function givenTenants(world: World, wanted: readonly string[] = [], have: readonly string[] = []): string[] {
  if (wanted.includes(everyTenant)) return [everyTenant];
  const isKnown = (ref: string) => !have.includes(ref) || world.tenant.has(ref);
  return [...new Set<string>(wanted.filter(isKnown).map((ref) => must(world, 'tenant', '-', ref).record.id))].sort();
}

/**
 * Whoever gives a host a tenant lets it write there, as a grant would: so it takes who may make grants there, and for all
 * tenants, those to come too, who may make them for the installation. What the host has it may keep.
 * @throws FORBIDDEN, NOT_FOUND
 */
export function refuseGiving(
  world: World,
  access: Access,
  wanted: readonly string[] | undefined,
  have: readonly string[] = [],
): void {
  if (have.includes(everyTenant)) return;
  const more = givenTenants(world, wanted, have).filter((tenant) => !have.includes(tenant));
  for (const tenant of more)
    if (tenant === everyTenant) {
      if (!access.may('write', 'grant', '-')) throw forbidden(access, 'give a host', 'rights in every tenant');
    } else if (!access.may('write', 'grant', tenant))
      throw forbidden(access, 'give a host', 'rights', world.tenant.get(tenant)!.record.name);
}

/** What a host has and who asks may give: what it keeps when it joins anew, unless something else is said. */
export function keptTenants(world: World, access: Access, host: string | undefined): string[] {
  const have = host === undefined ? undefined : world.find('host', '-', host)?.record;
  return (have?.tenants ?? []).filter((id) => access.may('write', 'grant', id === everyTenant ? '-' : id));
}
