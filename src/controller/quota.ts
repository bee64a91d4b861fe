import { HeddleError } from '../model/errors.ts';
import { type Quota, type QuotaLimits, quotaUnits } from '../model/quota.ts';
import type { Draft } from './draft.ts';
import { growthKey, quotaKey } from './keys.ts';
import { takenBy } from './quota-book.ts';
import { scopeOf } from './records.ts';
import { must } from './rules.ts';
import type { World } from './world.ts';

/** What the quotas of tenants are decided on. */
type QuotaWorld = Pick<World, 'quotas' | 'tenant'>;

/** Use that a write makes grow and that has a limit: the tenant, the unit, and how much there is after. */
interface Growth {
  readonly tenant: string;
  readonly of: string;
  readonly after: number;
}

/**
 * Lets a write through that its tenants have room for. It then happens only if nobody changed the limits since, and nobody
 * else made the same use grow: what was counted here still holds at that moment, or is less. What shrinks is always let
 * through. Cost: that of the draft.
 * @throws QUOTA_EXCEEDED
 */
export function withinQuota(world: QuotaWorld, draft: Draft): void {
  const { quotas } = world;
  const growth = roomFor(world, draft);
  for (const tenant of growthOf(draft).keys()) draft.unchanged(quotaKey(tenant), quotas.revisionOf(tenant));
  for (const { tenant, of, after } of growth) {
    const key = growthKey(tenant, of);
    draft.unchanged(key, quotas.grownAt(tenant, of)).put(key, String(after));
  }
}

/** What of a write is counted, for which there is room; the draft stays as it is. @throws QUOTA_EXCEEDED */
function roomFor({ quotas, tenant: tenants }: QuotaWorld, draft: Draft): Growth[] {
  return [...growthOf(draft)].flatMap(([tenant, growth]) => {
    // A tenant that is made by the same write has the limits that it brings.
    const made = draft.valueOf(quotaKey(tenant));
    const limits = made === undefined ? quotas.limitsOf(tenant) : (JSON.parse(made) as QuotaLimits);
    return [...growth].flatMap(([of, wanted]) => {
      const limit = limits[of];
      if (limit === undefined) return [];
      const used = quotas.usedOf(tenant, of);
      const name = tenants.get(tenant)?.record.name ?? tenant;
      if (used + wanted > limit) throw new HeddleError('QUOTA_EXCEEDED', { tenant: name, of, limit, used, wanted });
      return [{ tenant, of, after: used + wanted }];
    });
  });
}

/** By tenant and unit, how much more there is after a write. */
function growthOf({ changes }: Draft): Map<string, Map<string, number>> {
  const growth = new Map<string, Map<string, number>>();
  const count = (change: Draft['changes'][number], record: (typeof change)['after'], by: 1 | -1): void => {
    if (!record) return;
    for (const [unit, n] of takenBy(change.kind, record)) {
      const units = growth.get(scopeOf(record)) ?? new Map<string, number>();
      growth.set(scopeOf(record), units.set(unit, (units.get(unit) ?? 0) + by * n));
    }
  };
  for (const change of changes) {
    count(change, change.before, -1);
    count(change, change.after, 1);
  }
  for (const [tenant, units] of growth) {
    for (const [unit, n] of units) if (n <= 0) units.delete(unit);
    if (units.size === 0) growth.delete(tenant);
  }
  return growth;
}

/** A tenant's limits beside what it has. @throws NOT_FOUND */
export function quotaOf(world: World, nameOrId: string): Quota {
  const { id } = must(world, 'tenant', '-', nameOrId).record;
  const { quotas } = world;
  return {
    tenant: id,
    revision: String(quotas.revisionOf(id)),
    limits: quotas.limitsOf(id),
    used: Object.fromEntries(quotaUnits.map((unit) => [unit, quotas.usedOf(id, unit)])),
  };
}
