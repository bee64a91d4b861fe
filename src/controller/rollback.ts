/** The way back: what users wrote becomes again what it was at a revision, by writes like any others. */
import type { ObjectChange } from '../model/change.ts';
import type { Rollback } from '../model/history.ts';
import type { Store } from '../store/contract.ts';
import { objectChanges, type Pair, pairsBetween } from './difference.ts';
import type { ObjectKey } from './keys.ts';
import { momentOf } from './point.ts';
import { Restoration, type Touched } from './restoration.ts';
import type { Sequence } from './sequence.ts';
import type { World, WorldChange } from './world.ts';
import type { Writer } from './writer.ts';

interface RollbackContext {
  readonly store: Pick<Store, 'watch' | 'writtenAt'>;
  readonly writer: Pick<Writer, 'sequences'>;
}

/** Where to, for whom. */
interface RollbackOptions {
  readonly to: bigint;
  /** Asked each time that it is decided, until something is written: throws if whoever asks may not do it any more. */
  readonly admit: () => void;
  /** The objects that are to be as they were. */
  readonly isMeant: (key: ObjectKey) => boolean;
  /** Nothing is written. */
  readonly dryRun: boolean;
  /** Whoever asks does not wait any more. */
  readonly gone: AbortSignal;
  /** As whom it waits for its turn. */
  readonly who: string | undefined;
}

/** What is said of it, and what was written. */
interface RolledBack {
  readonly answer: Rollback;
  readonly changes: readonly WorldChange[];
  readonly revision: bigint;
}

/**
 * Brings what users wrote back to what it was; objects that come back have their ids. What is the system's own stays: bindings,
 * status, leases, hosts. It is decided as a whole before anything is written, and anew if others write in between.
 * @throws ROLLBACK_REFUSED with what cannot come back; COMPACTED, BUSY; what `admit` throws; the reason of `gone`
 */
export async function rollback(
  { store, writer: { sequences } }: RollbackContext,
  options: RollbackOptions,
): Promise<RolledBack> {
  const { to, admit, isMeant, dryRun, gone, who } = options;
  const moment = await momentOf(store, to);
  const touched: Touched = new Map();
  const decide = async (sequence: Sequence, ends: AbortSignal): Promise<ObjectChange[]> => {
    if (ends === gone) admit();
    const pairs = await pairsBetween(store, to, sequence.world.revision, isMeant, ends);
    await new Restoration(sequence, to, touched, ends).restore(pairs);
    return changesOf(touched, sequence.world);
  };
  const { result, revision, changes } = dryRun
    ? { ...(await sequences.rehearse(gone, decide, who)), changes: [] }
    : await sequences.write(gone, decide, who);
  const answer = { to: moment, revision: String(revision), dryRun, changes: result };
  return { answer, changes, revision };
}

/** How what was touched differs in the end from what it was before. */
function changesOf(touched: Touched, world: World): ObjectChange[] {
  const pairs = [...touched.values()]
    .map((was) => ({ ...was, after: world.objects(was.kind).get(was.id)?.record }) as Pair)
    .filter(({ kind, before, after }) => kind !== 'lease' && (before || after));
  return objectChanges(pairs, world);
}
