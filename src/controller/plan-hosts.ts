import { isDeepStrictEqual } from 'node:util';
import { hostItem } from '../compile/compile-host.ts';
import type { HostPlan } from '../model/apply.ts';
import type { HostItem, ItemKey } from '../model/host-state.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import type { Access } from './access.ts';
import { Publisher } from './publisher.ts';
import { scopeOf } from './records.ts';
import type { World } from './world.ts';

/**
 * Notes what a world tells hosts from now on, and compares at the end what each would know with what it knows now: the
 * same compilation that hosts get, of both worlds. Cost: that of the hosts concerned.
 */
export class HostPlans {
  readonly #before: World;
  readonly #after: World;
  readonly #marked = new Map<string, Set<ItemKey>>();

  readonly #access: Access;

  /** @param world a copy that is about to change; of what is in it, `access` says what is told */
  constructor(world: World, access: Access) {
    this.#access = access;
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

  /** Others' objects may change with those that are written: by a router that is a peer. */
  #isShown(id: string): boolean {
    if (this.#access.readsAll) return true;
    for (const world of [this.#after, this.#before])
      for (const kind of Object.keys(kinds) as Kind[]) {
        const record = world.objects(kind).get(id)?.record;
        if (record) return kind === 'host' || this.#access.reads(kind, scopeOf(record), id);
      }
    return false;
  }

  #itemOf(host: string, key: ItemKey): HostPlan['items'] {
    const before = hostItem(this.#before, host, key);
    const after = hostItem(this.#after, host, key);
    const item = after ?? before;
    if (!item || !this.#isShown(item.id) || isDeepStrictEqual(wished(before), wished(after))) return [];
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
