/** The pool that networks' VNIs and routers' numbers come from. */
import { HeddleError } from '../model/errors.ts';
import { parseVni, type Vni } from '../model/ids.ts';
import type { Draft } from './draft.ts';
import { vniCursorKey } from './keys.ts';
import type { RuleContext } from './rules.ts';
import type { World } from './world.ts';

/**
 * The first free VNI behind the last one given, round the pool: a freed VNI comes again only after all others, so that no
 * frame still on its way reaches its next owner.
 * @throws VNI_POOL_EXHAUSTED
 */
export function nextVni({ world, vniPool: { first, last } }: RuleContext, owner: string): Vni {
  const size = last - first + 1;
  const from = world.vniCursor.vni >= first && world.vniCursor.vni < last ? world.vniCursor.vni + 1 : first;
  for (let i = 0; i < size; i++) {
    const vni = first + ((from - first + i) % size);
    if (!world.vnis.has(vni)) return parseVni(vni);
  }
  throw new HeddleError('VNI_POOL_EXHAUSTED', { owner });
}

/** The write that takes the next number is where the next walk begins. */
export const moveCursor = ({ vniCursor }: World, draft: Draft, vni: Vni): Draft =>
  draft.unchanged(vniCursorKey, vniCursor.revision).put(vniCursorKey, String(vni));
