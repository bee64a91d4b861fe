import { type Kind, kinds } from '../model/kinds.ts';
import type { Page } from '../model/page.ts';
import type { Access } from './access.ts';
import type { Presence } from './presence.ts';
import type { ListQuery } from './query.ts';
import type { Stored } from './records.ts';
import { shownTo, viewOf } from './view.ts';
import type { World } from './world.ts';

/** Objects of a kind in a tenant ('-': of the installation), by id, which is by age: those that the principal may see. */
export function list<K extends Kind>(
  ctx: { world: World; presence: Presence },
  kind: K,
  scope: string,
  { limit, after, matches }: ListQuery,
  access: Access,
): Page<K> {
  const { world } = ctx;
  const isWhole = kinds[kind].scope === 'cluster';
  const ids = isWhole ? world.objects(kind).keys() : world.ofTenant(kind as 'port', scope);
  const items: Stored<K>[] = [];
  let more = false;
  for (const id of [...ids].sort()) {
    if (after !== undefined && id <= after) continue;
    const object = shownTo(world, access, world.objects(kind).get(id)!);
    if (!object || !matches(object)) continue;
    more = items.length === limit;
    if (more) break;
    items.push(object);
  }
  const last = items.at(-1);
  return {
    revision: String(world.revision),
    items: items.map((o) => viewOf(o, ctx)),
    ...(more && last ? { next: last.record.id } : {}),
  };
}
