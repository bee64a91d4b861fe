/** The way back: what users wrote becomes again what it was at a revision, by writes like any others. */
import type { ObjectChange } from '../model/change.ts';
import type { Rollback } from '../model/history.ts';
import type { Store } from '../store/contract.ts';
import { isOf, objectChanges, type Pair, pairsBetween } from './difference.ts';
import { momentOf } from './point.ts';
import { Restoration } from './restoration.ts';
import type { Sequence } from './sequence.ts';
import type { World } from './world.ts';
import type { Writer } from './writer.ts';

interface RollbackContext {
  readonly store: Pick<Store, 'watch' | 'writtenAt'>;
  readonly world: World;
  readonly writer: Writer;
}

/** Where to, for whom. */
interface RollbackOptions {
  readonly to: bigint;
  /** A tenant's id; default: all of the installation. */
  readonly tenant: string | undefined;
  /** Nothing is written. */
  readonly dryRun: boolean;
}

/**
 * Brings what users wrote back to what it was; objects that come back have their ids. What is the system's own stays: bindings,
 * status, leases, hosts. It is decided as a whole before anything is written, and anew if others write in between.
 * @throws ROLLBACK_REFUSED with what cannot come back; COMPACTED
 */
export async function rollback(ctx: RollbackContext, { to, tenant, dryRun }: RollbackOptions): Promise<Rollback> {
  const { store, world, writer } = ctx;
  const moment = await momentOf(store, to);
  const decide = async (sequence: Sequence, written: number): Promise<ObjectChange[]> => {
    const pairs = await pairsBetween(store, to, sequence.world.revision);
    const restoration = new Restoration(sequence, to, written);
    await restoration.restore(pairs.filter(isOf(tenant)));
    return changesOf(restoration.touched.values(), sequence.world);
  };
  if (dryRun) {
    const { revision } = world;
    const { result: changes } = await writer.rehearse(decide);
    return { to: moment, revision: String(revision), dryRun, changes };
  }
  const { result: changes, revision } = await writer.inSequence(decide);
  return { to: moment, revision: String(revision), dryRun, changes };
}

/** How what was touched differs in the end from what it was before. */
function changesOf(touched: Iterable<Omit<Pair, 'after'>>, world: World): ObjectChange[] {
  const pairs = [...touched]
    .filter(({ kind }) => kind !== 'lease')
    .map((was) => ({ ...was, after: world.objects(was.kind).get(was.id)?.record }) as Pair);
  return objectChanges(pairs, world);
}
