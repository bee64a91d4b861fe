import { HeddleError, hasCode } from '../model/errors.ts';
import type { HostWord } from '../model/host-state.ts';
import type { Inputs, Kind } from '../model/kinds.ts';
import type { Store } from '../store/contract.ts';
import { Draft } from './draft.ts';
import { hostTold } from './host.ts';
import { objectKey, quotaKey } from './keys.ts';
import { rules } from './kind-rules.ts';
import { mergePatch } from './merge-patch.ts';
import { withinQuota } from './quota.ts';
import { Recall } from './recall.ts';
import type { Records, Stored } from './records.ts';
import { type Decision, must, type Removal, type RuleContext, type Rules } from './rules.ts';
import { Sequences, TRIES } from './sequences.ts';
import { Turns, turnsOfCreate, turnsOfGrowth, turnsOfObject } from './turns.ts';
import { UnderWay } from './under-way.ts';
import type { World, WorldChange } from './world.ts';

/** What a write did. `created` is false where the object was already just as asked: then nothing was written. */
export interface Written<K extends Kind> {
  readonly change: WorldChange<K>;
  readonly revision: bigint;
  readonly created: boolean;
}

/** A precondition of the client on the object's revision. */
type IfMatch = bigint | undefined;

/**
 * All writes of the controller: decide on the world, write with conditions, and if the store says that the world was
 * stale, wait for the news and decide again. After it returns, the world holds the write.
 */
export class Writer {
  readonly #store: Pick<Store, 'txn'>;
  readonly #world: World;
  readonly #ctx: RuleContext;
  readonly #underWay = new UnderWay();
  readonly #turns = new Turns();
  readonly #recall: Recall;
  readonly sequences: Sequences;

  /** `isOnline`: a host's agent is connected, so that it can give addresses back. */
  constructor(store: Pick<Store, 'txn'>, ctx: Omit<RuleContext, 'pending'>, isOnline: (host: string) => boolean) {
    this.#store = store;
    this.#world = ctx.world;
    this.#ctx = { ...ctx, pending: this.#underWay.has };
    this.#recall = new Recall(ctx.world, isOnline, (lease) =>
      this.update('lease', lease.tenant, lease.id, undefined, (have) => ({ ...have, size: 0 })).catch((e: unknown) => {
        if (!hasCode(e, 'NOT_FOUND')) throw e; // it has just been given back
      }),
    );
    const [turns, underWay, recall] = [this.#turns, this.#underWay, this.#recall];
    this.sequences = new Sequences({ store, ctx: this.#ctx, turns, underWay, recall });
  }

  /** `ifAbsent`: not if it is there just as asked. @throws the codes of the kind's rules, EXISTS */
  create<K extends Kind>(kind: K, scope: string, input: Inputs[K], ifAbsent = false): Promise<Written<K>> {
    const decide = () => {
      const made = (rules[kind] as Rules<K>).create(this.#ctx, scope, input);
      if (ifAbsent) absent('draft' in made ? made.have : made);
      return 'draft' in made ? { have: undefined, ...made } : made;
    };
    return this.#growing(kind, scope, () => turnsOfCreate(this.#world, kind, scope, input), decide);
  }

  /** `patched` makes the whole next input from the present one. @throws the codes of the kind's rules, REVISION_CONFLICT */
  update<K extends Kind>(
    kind: K,
    scope: string,
    nameOrId: string,
    ifMatch: IfMatch,
    patched: (input: Inputs[K]) => Inputs[K],
  ): Promise<Written<K>> {
    const decide = () => {
      const have = matching(must(this.#world, kind, scope, nameOrId), ifMatch);
      const rule = rules[kind] as Rules<K>;
      const made = rule.update(this.#ctx, have, patched(rule.input(have.record)));
      return 'draft' in made ? { ...made, have } : made;
    };
    return this.#growing(kind, scope, () => turnsOfObject(this.#world, kind, scope, nameOrId), decide);
  }

  /** What a host's agent says of it. @throws NOT_FOUND, ADDRESS_INVALID, INVALID */
  told(host: string, word: Omit<HostWord, 'type'>): Promise<Written<'host'>> {
    return this.#write('host', () => {
      const have = must(this.#world, 'host', '-', host);
      const made = hostTold(this.#world, have, word);
      return 'draft' in made ? { ...made, have } : made;
    });
  }

  /** What is written of a host besides its input, decided elsewhere; `turn` names what such writes have in common. */
  onHost(turn: string, decide: (ctx: RuleContext) => Decision<'host'> | Stored<'host'>): Promise<Written<'host'>> {
    return this.#turns.take([turn], () =>
      this.#write('host', () => {
        const made = decide(this.#ctx);
        return 'draft' in made ? { have: undefined, ...made } : made;
      }),
    );
  }

  /** `refuse` throws if it must not be, as it is at that moment. @throws IN_USE, NOT_FOUND, REVISION_CONFLICT */
  remove<K extends Kind>(
    kind: K,
    scope: string,
    nameOrId: string,
    ifMatch: IfMatch,
    { refuse, ...how }: Removal & { readonly refuse?: (have: Stored) => void } = {},
  ): Promise<Written<K>> {
    const decide = () => {
      const have = matching(must(this.#world, kind, scope, nameOrId), ifMatch);
      refuse?.(have);
      return { draft: (rules[kind] as Rules<K>).remove(this.#ctx, have, how), have, record: undefined };
    };
    return this.#turns.take(turnsOfObject(this.#world, kind, scope, nameOrId), () => this.#write(kind, decide));
  }

  /** Changes limits of a tenant: null ends one. @throws NOT_FOUND, REVISION_CONFLICT */
  async limit(nameOrId: string, ifMatch: IfMatch, patch: Readonly<Record<string, number | null>>): Promise<void> {
    const { quotas } = this.#world;
    for (let i = 0; i < TRIES; i++) {
      const { record } = must(this.#world, 'tenant', '-', nameOrId);
      const revision = quotas.revisionOf(record.id);
      if (ifMatch !== undefined && ifMatch !== revision)
        throw new HeddleError('REVISION_CONFLICT', { want: String(ifMatch), have: String(revision) });
      const limits = mergePatch(quotas.limitsOf(record.id), patch);
      const draft = new Draft()
        .require(objectKey('tenant', record))
        .unchanged(quotaKey(record.id), revision)
        .put(quotaKey(record.id), JSON.stringify(limits));
      if ((await this.#commit(draft)).committed) return;
    }
    throw new HeddleError('BUSY', { tries: TRIES });
  }

  /** A write that may make a tenant's use grow, and that hosts may have to give something back for. */
  #growing<K extends Kind>(kind: K, scope: string, turns: () => string[], decide: Decide<K>): Promise<Written<K>> {
    const write = () => this.#turns.take(turns(), () => this.#write(kind, decide));
    return this.#recall.retried(() => this.#turns.take(turnsOfGrowth(this.#world, kind, scope), write));
  }

  async #write<K extends Kind>(kind: K, decide: Decide<K>): Promise<Written<K>> {
    for (let i = 0; i < TRIES; i++) {
      const decided = decide();
      if (!('draft' in decided))
        return {
          change: { kind, before: decided, after: decided },
          revision: decided.revision,
          created: false,
        };
      const { draft, have, record } = decided;
      const result = await this.#commit(draft);
      if (!result.committed) continue;
      const { revision } = result;
      const after = record === undefined ? undefined : { kind, record, revision };
      return { change: { kind, before: have, after }, revision, created: have === undefined };
    }
    throw new HeddleError('BUSY', { tries: TRIES });
  }

  /** @throws QUOTA_EXCEEDED */
  async #commit(draft: Draft) {
    withinQuota(this.#world, draft);
    const { compare, ops, claimed } = draft;
    return this.#underWay.during(claimed, async () => {
      const result = await this.#store.txn({ compare, ops });
      await this.#world.reached(result.revision);
      return result;
    });
  }
}

interface Attempt<K extends Kind> {
  readonly draft: Draft;
  readonly have: Stored<K> | undefined;
  readonly record: Records[K] | undefined;
}
/** A `Stored` is an object that is just as it is to be. */
type Decide<K extends Kind> = () => Attempt<K> | Stored<K>;

function absent(have: Stored | undefined): void {
  if (!have) return;
  const { kind, record, revision } = have;
  throw new HeddleError('EXISTS', { kind, name: record.name, revision: String(revision) });
}
function matching<K extends Kind>(have: Stored<K>, ifMatch: IfMatch): Stored<K> {
  if (ifMatch !== undefined && ifMatch !== have.revision)
    throw new HeddleError('REVISION_CONFLICT', { want: String(ifMatch), have: String(have.revision) });
  return have;
}
