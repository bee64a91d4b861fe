import { type Code, HeddleError, hasCode } from '../model/errors.ts';
import type { HostWord } from '../model/host-state.ts';
import type { Inputs, Kind } from '../model/kinds.ts';
import type { Store } from '../store/contract.ts';
import { Draft } from './draft.ts';
import { Gate } from './gate.ts';
import { hostTold } from './host.ts';
import { objectKey, quotaKey } from './keys.ts';
import { rules } from './kind-rules.ts';
import { mergePatch } from './merge-patch.ts';
import { withinQuota } from './quota.ts';
import { Recall } from './recall.ts';
import type { PortRecord, Records, Stored } from './records.ts';
import { must, type Removal, type RuleContext, type Rules } from './rules.ts';
import { Sequence } from './sequence.ts';
import type { Committed } from './transaction.ts';
import { quotaTurn, Turns, turnsOf, vniTurn } from './turns.ts';
import type { World, WorldChange } from './world.ts';

/** How often a write is decided anew after another one came first. */
const TRIES = 50;

/** What a write did. `created` is false where the object was already just as asked: then nothing was written. */
export interface Written<K extends Kind> {
  readonly change: WorldChange<K>;
  readonly revision: bigint;
  readonly created: boolean;
}

/** What a sequence of writes did. */
export interface SequenceWritten<T> {
  /** What was decided: the first time that something was written, or the last time. */
  readonly result: T;
  readonly changes: readonly WorldChange[];
  /** Of the last transaction; the world's, if nothing was to be written. */
  readonly revision: bigint;
}
/** Gives a sequence its steps. Asked again on a newer world, it must give what is left to do. */
export type DecideSequence<T> = (sequence: Sequence) => T | Promise<T>;
/** What has become of a sequence so far. */
interface Progress<T> {
  readonly changes: WorldChange[];
  /** What was decided when something was written first. */
  first?: { readonly result: T };
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
  readonly #pending = new Set<string>();
  /** Of a sequence that must come to its end: the keys that it takes, and those that others took since it began. */
  #reserved: Set<string> | undefined;
  readonly #turns = new Turns();
  readonly #gate = new Gate();
  readonly #recall: Recall;

  /** `isOnline`: a host's agent is connected, so that it can give addresses back. */
  constructor(store: Pick<Store, 'txn'>, ctx: Omit<RuleContext, 'pending'>, isOnline: (host: string) => boolean) {
    this.#store = store;
    this.#world = ctx.world;
    this.#ctx = { ...ctx, pending: (key) => this.#pending.has(key) || this.#reserved?.has(key) === true };
    this.#recall = new Recall(ctx.world, isOnline, (lease) =>
      this.update('lease', lease.tenant, lease.id, undefined, (have) => ({ ...have, size: 0 })).catch((e: unknown) => {
        if (!hasCode(e, 'NOT_FOUND')) throw e; // it has just been given back
      }),
    );
  }

  /** `ifAbsent`: not if it is there just as asked. @throws the codes of the kind's rules, EXISTS */
  create<K extends Kind>(kind: K, scope: string, input: Inputs[K], ifAbsent = false): Promise<Written<K>> {
    const decide = () => {
      const made = (rules[kind] as Rules<K>).create(this.#ctx, scope, input);
      if (ifAbsent) absent('draft' in made ? made.have : made);
      return 'draft' in made ? { have: undefined, ...made } : made;
    };
    const turn = () => turnOfCreate(this.#world, kind, scope, input);
    return this.#recall.retried(() =>
      this.#counted(kind, scope, () => this.#turns.take(turn(), () => this.#write(kind, decide))),
    );
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
    const turn = () => turnOf(this.#world, kind, scope, nameOrId);
    return this.#recall.retried(() =>
      this.#counted(kind, scope, () => this.#turns.take(turn(), () => this.#write(kind, decide))),
    );
  }

  /** What a host's agent says of it. @throws NOT_FOUND, ADDRESS_INVALID, INVALID */
  told(host: string, word: Omit<HostWord, 'type'>): Promise<Written<'host'>> {
    return this.#write('host', () => {
      const have = must(this.#world, 'host', '-', host);
      const made = hostTold(have, word);
      return 'draft' in made ? { ...made, have } : made;
    });
  }

  /** @throws IN_USE, NOT_FOUND, REVISION_CONFLICT */
  remove<K extends Kind>(
    kind: K,
    scope: string,
    nameOrId: string,
    ifMatch: IfMatch,
    how?: Removal,
  ): Promise<Written<K>> {
    const decide = () => {
      const have = matching(must(this.#world, kind, scope, nameOrId), ifMatch);
      return { draft: (rules[kind] as Rules<K>).remove(this.#ctx, have, how), have, record: undefined };
    };
    return this.#turns.take(turnOf(this.#world, kind, scope, nameOrId), () => this.#write(kind, decide));
  }

  /**
   * Several writes, decided together on a copy of the world and then written in their order, in as few transactions as are
   * legal. If somebody writes in between, it is decided again on a new copy. One sequence comes after the other.
   * @param gone whoever it is for does not wait any more: it is not begun then
   * @throws what `decide` throws: then nothing was written, unless somebody wrote in between; BUSY
   */
  async inSequence<T>(gone: AbortSignal, decide: DecideSequence<T>): Promise<SequenceWritten<T>> {
    const progress: Progress<T> = { changes: [] };
    try {
      return await this.#recall.retried(() => this.#gate.pass(gone, () => this.#writeSequence(decide, progress)));
    } catch (e) {
      throw saying(progress.changes.length, e);
    }
  }

  /** The same without writing: what was decided, on the world of which revision. @throws what `decide` throws, BUSY */
  rehearse<T>(
    gone: AbortSignal,
    decide: DecideSequence<T>,
  ): Promise<{ readonly result: T; readonly revision: bigint }> {
    return this.#gate.pass(gone, async () => {
      const { revision } = this.#world;
      return { result: await decide(new Sequence(this.#ctx)), revision };
    });
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

  /** Where something is limited, writes that may make it more wait for each other: all but one would be decided in vain. */
  #counted<T>(kind: Kind, scope: string, write: () => Promise<T>): Promise<T> {
    const tenant = this.#world.tenant.get(scope)?.record.id;
    const isLimited = tenant !== undefined && this.#world.quotas.isLimited(tenant, kind);
    return this.#turns.take(isLimited ? [quotaTurn(tenant)] : [], write);
  }

  async #write<K extends Kind>(kind: K, decide: () => Attempt<K> | Stored<K>): Promise<Written<K>> {
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

  /** Decides and writes until all is written: at first without holding up anybody, then in the turns of what is written. */
  async #writeSequence<T>(decide: DecideSequence<T>, progress: Progress<T>): Promise<SequenceWritten<T>> {
    let keys: readonly string[] = [];
    for (let i = 0; i < TRIES; i++) {
      const attempt = () => this.#attempt(decide, progress, i > 0);
      const { result, revision, sequence } = await this.#turns.take(turnsOf(keys), attempt);
      if (revision !== undefined)
        return { result: (progress.first ?? { result }).result, changes: progress.changes, revision };
      keys = sequence.keys;
    }
    throw new HeddleError('BUSY', { tries: TRIES });
  }

  /**
   * Once; without a revision, if somebody else wrote what it was decided on.
   * @param again it and others are given different addresses from its first step on
   */
  async #attempt<T>(decide: DecideSequence<T>, progress: Progress<T>, again: boolean) {
    const reserved = new Set(this.#pending);
    const sequence = new Sequence(this.#ctx, reserved);
    if (again) this.#reserved = reserved;
    try {
      const result = await decide(sequence);
      this.#reserved = reserved;
      const revision = await this.#commitSequence(sequence, progress.changes);
      if (progress.changes.length > 0) progress.first ??= { result };
      return { result, revision, sequence };
    } finally {
      this.#reserved = undefined;
    }
  }

  /** Of the last transaction; undefined if somebody else wrote what one of them was decided on. */
  async #commitSequence(sequence: Sequence, changes: WorldChange[]): Promise<bigint | undefined> {
    const committed: Committed[] = [];
    const seen = new Map<bigint, readonly WorldChange[]>();
    const listen = (made: readonly WorldChange[], revision: bigint) => seen.set(revision, made);
    this.#world.listeners.add(listen);
    try {
      for (const transaction of sequence.transactions()) {
        const compare = transaction.compare(committed);
        const result = compare && (await this.#store.txn({ compare, ops: transaction.ops }));
        if (result) await this.#world.reached(result.revision);
        if (!result?.committed) return undefined;
        committed.push({ transaction, revision: result.revision });
        changes.push(...(seen.get(result.revision) ?? []));
      }
      return committed.at(-1)?.revision ?? this.#world.revision;
    } finally {
      this.#world.listeners.delete(listen);
    }
  }

  /** @throws QUOTA_EXCEEDED */
  async #commit(draft: Draft) {
    withinQuota(this.#world, draft);
    const { compare, ops, claimed } = draft;
    for (const key of claimed) {
      this.#pending.add(key);
      this.#reserved?.add(key);
    }
    try {
      const result = await this.#store.txn({ compare, ops });
      await this.#world.reached(result.revision);
      return result;
    } finally {
      for (const key of claimed) this.#pending.delete(key);
    }
  }
}

/** What the writes of a kind have in common that would make them conflict: the cursor of VNIs, a host's lease; or a limit. */
function turnOfCreate<K extends Kind>(world: World, kind: K, scope: string, input: Inputs[K]): string[] {
  if (kind === 'network' || kind === 'router') return [vniTurn];
  // They count each other.
  if (kind === 'address') {
    const { network } = input as Inputs['address'];
    return [`address/${world.find('network', scope, network)?.record.id}`];
  }
  if (kind !== 'port' && kind !== 'lease') return [];
  const { network, behind, host: ref } = input as Inputs['port'];
  const parent = behind === undefined ? undefined : world.find('port', scope, behind)?.record;
  const host = parent ? parent.host : ref;
  const ids = [world.find('network', scope, network), host ? world.find('host', '-', host) : undefined];
  return leaseTurn(world, ids[0]?.record.id, ids[1]?.record.id);
}
function turnOf(world: World, kind: Kind, scope: string, nameOrId: string): string[] {
  if (kind !== 'port' && kind !== 'lease') return [];
  const record = world.find(kind, scope, nameOrId)?.record as PortRecord | undefined;
  return leaseTurn(world, record?.network, record?.host);
}
const leaseTurn = (world: World, network = '', host = ''): string[] => [world.leaseOf(network, host) ?? []].flat();

interface Attempt<K extends Kind> {
  readonly draft: Draft;
  readonly have: Stored<K> | undefined;
  readonly record: Records[K] | undefined;
}

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

/** What ended a sequence also says what was written of it before: others wrote in between then. */
function saying(written: number, e: unknown): unknown {
  const tells =
    hasCode(e, 'DOCUMENTS_REFUSED') || hasCode(e, 'ROLLBACK_REFUSED') || hasCode(e, 'COMPACTED') || hasCode(e, 'BUSY');
  return tells && written > 0 ? new HeddleError<Code>(e.code, { ...e.details, written }, e) : e;
}
