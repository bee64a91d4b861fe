import type { Draft } from './draft.ts';
import { withinQuota } from './quota.ts';
import type { RuleContext } from './rules.ts';
import { keyOf, type Step, Transaction } from './transaction.ts';
import type { World } from './world.ts';

/** Most steps of one transaction: what is written at once, hosts are told at once. */
const TRANSACTION_STEPS = 500;

/**
 * Writes that are decided one after the other on a copy of the world, each as if those before had happened. Nothing is
 * written yet: `transactions` has what is to be.
 */
export class Sequence {
  /** As it would be now. */
  readonly world: World;
  /** What rules are to be asked with. */
  readonly ctx: RuleContext;
  readonly #base: bigint;
  readonly #steps: Step[] = [];
  /** The keys that it takes. */
  readonly claimed = new Set<string>();

  constructor(ctx: RuleContext) {
    this.world = ctx.world.copy();
    this.ctx = { ...ctx, world: this.world };
    this.#base = this.world.revision;
  }

  /** The next step: a draft that was decided on `world`. @throws QUOTA_EXCEEDED; then nothing of it has happened */
  add(draft: Draft): void {
    withinQuota(this.world, draft);
    const { compare, ops, claimed } = draft;
    if (ops.length === 0) return;
    const revision = this.world.revision + 1n;
    this.#steps.push({ compare, ops, revision, sort: sortOf(draft) });
    for (const key of claimed) this.claimed.add(key);
    const written = ops.map((op) => ('put' in op ? op.put : { key: op.delete, value: undefined }));
    const changes = written.map((change) => ({ ...change, previous: undefined }));
    this.world.apply({ revision, changes: changes.sort((a, b) => (a.key < b.key ? -1 : 1)) });
  }

  /** What it writes. */
  get keys(): string[] {
    return this.#steps.flatMap(({ ops }) => ops.map(keyOf));
  }

  /** What is to be written, in this order. */
  transactions(): Transaction[] {
    const out: Transaction[] = [];
    for (const step of this.#steps) {
      const last = out.at(-1);
      const joins = step.sort !== '' && step.sort === last?.steps[0]?.sort && last.steps.length < TRANSACTION_STEPS;
      if (joins) last.steps.push(step);
      else out.push(new Transaction(this.#base, step));
    }
    return out;
  }
}

/**
 * Steps of the same sort may be one revision: the world and those who tell hosts of it take a revision for one legal step.
 * '' for a step that stays by itself: a router leaves a network before another one joins it.
 */
function sortOf({ changes }: Draft): string {
  if (changes.some(({ kind }) => kind === 'router')) return '';
  const sorts = changes.map(({ kind, after }) => {
    const isBehind = after !== undefined && 'behind' in after && after.behind !== undefined;
    return `${kind} ${after ? 'put' : 'removed'}${isBehind ? ' behind' : ''}`;
  });
  return [...new Set(sorts)].sort().join();
}
