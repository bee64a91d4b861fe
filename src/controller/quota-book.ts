import type { Kind } from '../model/kinds.ts';
import { kinds } from '../model/kinds.ts';
import { type QuotaLimits, quotaUnits } from '../model/quota.ts';
import { growthKey, growthPrefix, quotaKey, quotaPrefix } from './keys.ts';
import { type AnyRecord, scopeOf } from './records.ts';

/** What an object takes of its tenant's quotas, by unit. Cost: none grows with what the tenant has. */
export const takenBy = (kind: Kind, record: AnyRecord): [unit: string, n: number][] =>
  Object.entries(kinds[kind].counts).map(([unit, by]) => [
    unit,
    typeof by === 'number' ? by : (record as unknown as Record<string, readonly unknown[]>)[by]!.length,
  ]);

/** Limits and use of all tenants, as of the world's revision. Every answer is one look-up. */
export class QuotaBook {
  #limits = new Map<string, { limits: QuotaLimits; revision: bigint }>();
  /** By key: the revision of the last growth of a unit that has a limit. */
  #growth = new Map<string, bigint>();
  /** By tenant, then by unit. */
  #used = new Map<string, Map<string, number>>();

  /** The same, apart. */
  copy(): QuotaBook {
    const copy = new QuotaBook();
    copy.#limits = new Map(this.#limits);
    copy.#growth = new Map(this.#growth);
    copy.#used = new Map([...this.#used].map(([tenant, used]) => [tenant, new Map(used)]));
    return copy;
  }

  limitsOf(tenant: string): QuotaLimits {
    return this.#limits.get(tenant)?.limits ?? {};
  }
  /** Of the last change of its limits; 0 if there is none. */
  revisionOf(tenant: string): bigint {
    return this.#limits.get(tenant)?.revision ?? 0n;
  }
  usedOf(tenant: string, unit: string): number {
    return this.#used.get(tenant)?.get(unit) ?? 0;
  }
  grownAt(tenant: string, unit: string): bigint {
    return this.#growth.get(growthKey(tenant, unit)) ?? 0n;
  }
  /** True if something of the kind has a limit in the tenant. */
  isLimited(tenant: string, kind: Kind): boolean {
    const limits = this.limitsOf(tenant);
    return Object.keys(kinds[kind].counts).some((unit) => limits[unit] !== undefined);
  }

  /** A key of the store was written or deleted; those that are none of quotas change nothing. */
  put(key: string, value: string | undefined, revision: bigint): void {
    if (key.startsWith(growthPrefix)) set(this.#growth, key, value === undefined ? undefined : revision);
    else if (key.startsWith(quotaPrefix))
      set(
        this.#limits,
        key.slice(quotaPrefix.length),
        value === undefined ? undefined : { limits: JSON.parse(value) as QuotaLimits, revision },
      );
  }

  /** An object is there, or no longer. */
  count(kind: Kind, record: AnyRecord, by: 1 | -1): void {
    const tenant = scopeOf(record);
    for (const [unit, n] of takenBy(kind, record)) {
      const used = this.#used.get(tenant) ?? new Map<string, number>();
      this.#used.set(tenant, used);
      set(used, unit, (used.get(unit) ?? 0) + by * n || undefined);
      if (used.size === 0) this.#used.delete(tenant);
    }
  }
}

function set<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(key, value);
}

/** Every key that a tenant's quotas may have. */
export const quotaKeys = (tenant: string): string[] => [
  quotaKey(tenant),
  ...quotaUnits.map((unit) => growthKey(tenant, unit)),
];
