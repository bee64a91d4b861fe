import { isDeepStrictEqual } from 'node:util';
import type { Brand } from '../model/ids.ts';
import { type Inputs, type Kind, referentsFirst } from '../model/kinds.ts';
import { refusedTogether } from './addresses.ts';
import type { Pair } from './difference.ts';
import { nameKey } from './keys.ts';
import { rules } from './kind-rules.ts';
import { loosened } from './loosened.ts';
import { type AnyRecord, type PortRecord, type Stored, scopeOf } from './records.ts';
import type { Decision, Rules } from './rules.ts';
import type { Sequence } from './sequence.ts';
import { patience, settle, type Task } from './settle.ts';
import { inputOf, inputWith, type Wish, wishOf } from './wishes.ts';

/** Most problems that a refusal names. */
const PROBLEMS = 20;

/** An object that is to be as it was, and how it gets there. */
interface Return extends Task {
  readonly kind: Kind;
  /** As it was, or as it is if it is to go. */
  readonly record: AnyRecord;
}

/** Of one kind, what is to go, what stays with other content, and what comes back. */
interface Wanted {
  readonly pair: Pair;
  readonly wish: Wish | undefined;
}

/** By id, what is written, as it was before it was written first. */
export type Touched = Map<string, Omit<Pair, 'after'>>;

/**
 * Writes that bring objects back, decided one after the other on a copy of the world. What stays first lets go of what others
 * are to have, then goes what was not there, then everything gets what it had.
 */
export class Restoration {
  readonly #sequence: Sequence;
  readonly #to: bigint;
  readonly #touched: Touched;
  readonly #gone: AbortSignal;
  readonly #tries = patience();

  /** @param touched gets what is written @param gone ends it */
  constructor(sequence: Sequence, to: bigint, touched: Touched, gone: AbortSignal) {
    this.#sequence = sequence;
    this.#to = to;
    this.#touched = touched;
    this.#gone = gone;
  }

  /** @throws ROLLBACK_REFUSED; the reason of `gone` */
  async restore(pairs: readonly Pair[]): Promise<void> {
    const wanted = pairs.filter(isWanted).map((pair): Wanted => ({ pair, wish: wishOf(pair.kind, pair.before) }));
    const going = wanted.filter(({ wish, pair }) => !wish && pair.after);
    const staying = wanted.filter(({ wish, pair }) => wish && pair.after);
    const coming = wanted.filter(({ wish, pair }) => wish && !pair.after);
    const names = new Set([...staying, ...coming].map(({ pair, wish }) => nameOf(pair, wish!)));

    for (const kind of referentsFirst.toReversed())
      await this.#settle(tasks(staying, kind, (w) => this.#loosen(w, names)));
    for (const kind of referentsFirst.toReversed())
      await this.#settle(
        tasks(going, kind, ({ pair }) => this.#remove(kind, pair.id))
          .sort(frontFirst)
          .reverse(),
      );
    for (const kind of referentsFirst) {
      const set = tasks(staying, kind, ({ pair, wish }) => this.#set(kind, pair.id, wish!));
      const create = tasks(coming, kind, ({ pair, wish }) => this.#create(pair, wish!));
      await this.#settle([...set, ...create.sort(frontFirst)]);
    }
    // A router may name one that came back after it.
    await this.#settle(
      tasks([...staying, ...coming], 'router', ({ pair, wish }) => this.#set('router', pair.id, wish!)),
    );
  }

  /** @throws ROLLBACK_REFUSED */
  async #settle(all: readonly Return[]): Promise<void> {
    const refusals = await settle(all, this.#gone, this.#tries);
    if (refusals.length === 0) return;
    const problems = refusals.slice(0, PROBLEMS).map(({ task: { kind, record }, error }) => ({
      ...{ kind, name: record.name, code: error.code, problem: error.message },
    }));
    const details = { to: String(this.#to), problems, written: 0 };
    // Hosts that hold, unused, what is needed are asked for it.
    throw refusedTogether(
      'ROLLBACK_REFUSED',
      details,
      refusals.map(({ error }) => error),
    );
  }

  #loosen({ pair, wish }: Wanted, names: ReadonlySet<string>): void {
    const have = this.#find(pair.kind, pair.id)!;
    const isInTheWay = have.record.name !== wish!.name && names.has(nameOf(pair, have.record));
    const less = loosened(this.#sequence.world, have, wish!, isInTheWay);
    if (less) this.#update(have, less);
  }

  #remove(kind: Kind, id: string): void {
    const have = this.#find(kind, id);
    if (have) this.#write({ draft: rulesOf(kind).remove(this.#sequence.ctx, have) });
  }

  #set(kind: Kind, id: string, wish: Wish): void {
    const have = this.#find(kind, id)!;
    const { record } = have;
    const known = (peer: string) =>
      this.#find('router', peer) || ('peers' in record && record.peers.includes(peer as never));
    this.#update(have, kind === 'router' ? { ...wish, peers: (wish.peers as string[]).filter(known) } : wish);
  }

  #update(have: Stored, wish: Wish): void {
    const { kind, record } = have;
    const next = inputWith(kind, record as never, wish);
    if (isDeepStrictEqual(next, inputWith(kind, record as never, inputOf(kind, record as never)))) return;
    this.#write(rulesOf(kind).update(this.#sequence.ctx, have, next));
  }

  /** With its id, and the time at which it was made. */
  #create({ kind, scope, id, before }: Pair, wish: Wish): void {
    const { ctx, world } = this.#sequence;
    const again = {
      ...ctx,
      newId: <I extends Brand<string, string>>() => id as I,
      now: () => new Date(before!.createdAt),
    };
    const input: Record<string, unknown> = { ...wish };
    // Numbers are the system's: another one, if somebody has it now.
    if (kind === 'network' && world.vnis.has(wish.vni as number)) delete input.vni;
    if (kind === 'router') input.peers = [];
    if (kind === 'port') {
      input.id = id;
      this.#forgetLearned(before as PortRecord);
    }
    this.#write(rulesOf(kind).create(again, scope, input as Inputs[Kind]));
  }

  /** A machine of a segment that was told, and then deleted, may have been learned again. */
  #forgetLearned({ network, mac, behind }: PortRecord): void {
    const { world } = this.#sequence;
    const other = world.port.get(world.ownerOfMac(network, mac) ?? '')?.record;
    if (other?.ephemeral && other.behind !== undefined && other.behind === behind) this.#remove('port', other.id);
  }

  #find(kind: Kind, id: string): Stored | undefined {
    return this.#sequence.world.objects(kind).get(id);
  }

  #write(decided: Pick<Decision<Kind>, 'draft'> | Stored): void {
    if (!('draft' in decided)) return;
    this.#sequence.add(decided.draft);
    for (const { kind, before, after } of decided.draft.changes) {
      const record = (before ?? after)!;
      if (!this.#touched.has(record.id))
        this.#touched.set(record.id, { kind, scope: scopeOf(record), id: record.id, before });
    }
  }
}

const rulesOf = (kind: Kind): Rules<Kind> => rules[kind] as unknown as Rules<Kind>;

/** What a user wrote differs; hosts come and go by themselves. */
function isWanted({ kind, before, after }: Pair): boolean {
  if (kind === 'host' && (!before || !after)) return false;
  return !isDeepStrictEqual(wishOf(kind, before as never), wishOf(kind, after as never));
}

/** A name that an object has or is to have, with whose it is. */
const nameOf = ({ kind, scope }: Pair, { name }: Wish | AnyRecord): string => nameKey(kind, scope, String(name));

const tasks = (all: readonly Wanted[], kind: Kind, run: (w: Wanted) => void): Return[] =>
  all
    .filter((w) => w.pair.kind === kind)
    .map((w) => ({ kind, record: (w.wish ? w.pair.before : w.pair.after)!, run: () => run(w) }));

/** Ports before those behind them. */
const frontFirst = (a: Return, b: Return): number => depth(a) - depth(b);
const depth = ({ record }: Return): number => ('behind' in record && record.behind !== undefined ? 1 : 0);
