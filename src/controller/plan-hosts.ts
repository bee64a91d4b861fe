import { isDeepStrictEqual } from 'node:util';
import { hostItem } from '../compile/compile-host.ts';
import type { HostPlan } from '../model/apply.ts';
import type { HostItem, ItemKey } from '../model/host-state.ts';
import { Publisher } from './publisher.ts';
import type { World } from './world.ts';

/**
 * Notes what a world tells hosts from now on, and compares at the end what each would know with what it knows now: the
 * same compilation that hosts get, of both worlds. Cost: that of the hosts concerned.
 */
export class HostPlans {
  readonly #before: World;
  readonly #after: World;
  readonly #marked = new Map<string, Set<ItemKey>>();

  /** @param world a copy that is about to change */
  constructor(world: World) {
    this.#before = world.copy();
    this.#after = world;
    const publisher = new Publisher(world);
    for (const host of world.host.keys()) {
      const keys = new Set<ItemKey>();
      this.#marked.set(host, keys);
      publisher.connect(host, { mark: (more) => [...more].forEach((key) => void keys.add(key)) });
    }
    world.listeners.add(publisher.publish);
  }

  /** The hosts that would know something else, by name. */
  changed(): HostPlan[] {
    return [...this.#marked]
      .map(([id, keys]) => ({
        host: this.#before.host.get(id)!.record.name,
        items: [...keys].flatMap((key) => this.#itemOf(id, key)).sort((a, b) => (textOf(a) < textOf(b) ? -1 : 1)),
      }))
      .filter(({ items }) => items.length > 0)
      .sort((a, b) => (a.host < b.host ? -1 : 1));
  }

  #itemOf(host: string, key: ItemKey): HostPlan['items'] {
    const before = hostItem(this.#before, host, key);
    const after = hostItem(this.#after, host, key);
    const item = after ?? before;
    if (!item || isDeepStrictEqual(wished(before), wished(after))) return [];
    const action = !before ? 'create' : after ? 'update' : 'delete';
    return [{ action, kind: item.kind, name: nameOf(this.#after, item) || nameOf(this.#before, item) || item.id }];
  }
}

const textOf = ({ kind, name }: HostPlan['items'][number]): string => `${kind} ${name}`;

/** Without the revision, which is another one in a copy. */
function wished(item: HostItem | undefined): object | undefined {
  if (!item || !('revision' in item)) return item;
  const { revision: _, ...rest } = item;
  return rest;
}

function nameOf(world: World, item: HostItem): string | undefined {
  if ('name' in item) return item.name;
  return item.kind === 'server' ? world.host.get(item.id)?.record.name : world.lease.get(item.id)?.record.name;
}
