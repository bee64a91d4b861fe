/** The tenants that a host is given: there it makes and attaches ports for its local users. */
import { everyTenant } from '../model/kinds.ts';
import { type Access, forbidden } from './access.ts';
import { must } from './rules.ts';
import type { JoinTokenRecord, KeptTenants } from './trust-record.ts';
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

/** What a host that is there keeps by a token for it, unless something else is said: what it has, and who asks may give. */
export function keptTenants(world: World, access: Access, name: string | undefined): KeptTenants | undefined {
  const have = name === undefined ? undefined : world.find('host', '-', name)?.record;
  const may = (tenant: string) => access.may('write', 'grant', tenant);
  return have && { host: have.id, of: may('-') ? [everyTenant] : [...world.tenant.keys()].filter(may) };
}

/** The tenants that a host has if it joins now by a token. What was taken from it since the token was made does not come back. */
export function tenantsBy(world: World, { host, tenants, keeps }: JoinTokenRecord): readonly string[] {
  if (!keeps) return tenants;
  const have = world.find('host', '-', host!)?.record;
  if (have?.id !== keeps.host) return [];
  return have.tenants.filter((id) => keeps.of.includes(everyTenant) || keeps.of.includes(id));
}
