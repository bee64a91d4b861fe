import { HeddleError } from '../model/errors.ts';
import { type Brand, parseName } from '../model/ids.ts';
import type { Inputs, Kind } from '../model/kinds.ts';
import type { QuotaLimits } from '../model/quota.ts';
import type { Draft } from './draft.ts';
import type { Records, Stored } from './records.ts';
import type { World } from './world.ts';

/** How to remove. */
export interface Removal {
  /** A host that never comes back: its ports go to their standbys; of the others the ephemeral ones go, as its leases, the rest is unbound. */
  readonly gone?: boolean;
}

/** What rules may ask for; clock, ids and randomness are arguments, so that tests decide them. */
export interface RuleContext {
  readonly world: World;
  /** True if a write under way in this process takes the key. */
  readonly pending: (key: string) => boolean;
  readonly now: () => Date;
  /** The id of an object that is made. */
  readonly newId: <I extends Brand<string, string>>() => I;
  readonly randomBytes: (n: number) => Uint8Array;
  readonly vniPool: { readonly first: number; readonly last: number };
  /** What a new tenant may have. */
  readonly tenantQuota: QuotaLimits;
}

/** A decided write: the draft and the record that the object will have. */
export interface Decision<K extends Kind> {
  /** The object as it was, where a create finds that it is there. */
  readonly have?: Stored<K>;
  readonly draft: Draft;
  readonly record: Records[K];
}

/**
 * The rules of one kind: pure functions from the world and a request to one conditional write. They refuse by throwing;
 * if the write then fails, the world was stale, and the rule is asked again.
 */
export interface Rules<K extends Kind> {
  /** `scope` is the tenant's id, or '-'. A `Stored` is an object that is already just as asked. */
  create(ctx: RuleContext, scope: string, input: Inputs[K]): Decision<K> | Stored<K>;
  /** `next` is the whole input after the patch; `patch` what the client sent. */
  update(ctx: RuleContext, have: Stored<K>, next: Inputs[K]): Decision<K> | Stored<K>;
  remove(ctx: RuleContext, have: Stored<K>, how?: Removal): Draft;
  /** The object as the input that would make it: what a patch is merged into. */
  input(record: Records[K]): Inputs[K];
}

/** @throws NAME_INVALID, NAME_TAKEN */
export function freeName(world: World, kind: Kind, scope: string, name: string, self?: string): string {
  const other = world.find(kind, scope, parseName(name));
  if (other && other.record.id !== self) throw new HeddleError('NAME_TAKEN', { kind, name });
  return name;
}

/** The object of a reference. @throws NOT_FOUND */
export function must<K extends Kind>(world: World, kind: K, scope: string, nameOrId: string): Stored<K> {
  const found = world.find(kind, scope, nameOrId);
  if (!found) throw new HeddleError('NOT_FOUND', { kind, name: nameOrId.slice(0, 80) });
  return found;
}

/** @throws IN_USE if the count is not 0 */
export function unused(have: Stored, by: Kind, count: number, instead?: string): void {
  const { kind, record } = have;
  if (count > 0) throw new HeddleError('IN_USE', { kind, name: record.name, by, count, ...(instead && { instead }) });
}
