import { join } from 'node:path';
import type { HostItem, ItemKey } from '../model/host-state.ts';
import { itemKey } from '../model/host-state.ts';
import type { HostId, HostNumber } from '../model/ids.ts';
import { readDurable, writeDurable } from './durable.ts';

/** What the agent knew last: enough to go on without a controller. */
export interface CachedState {
  readonly host: { readonly id: HostId; readonly number: HostNumber };
  readonly revision: string;
  readonly items: Map<ItemKey, HostItem>;
}

/** Bumped on a change of the items that this agent cannot read, as is PROTOCOL. */
const FORMAT = 6;
const file = (stateDirectory: string): string => join(stateDirectory, 'host-state.json');

/** The cached state, or undefined: none yet, or one of another format. A damaged file is as good as none: the controller has it all. */
export function readStateCache(
  stateDirectory: string,
  log: { warn(o: object, m: string): void },
): CachedState | undefined {
  const text = readDurable(file(stateDirectory));
  if (text === undefined) return undefined;
  try {
    const { format, host, revision, items } = JSON.parse(text) as {
      format: number;
      host: CachedState['host'];
      revision: string;
      items: HostItem[];
    };
    if (format !== FORMAT) throw new Error(`format ${format}`);
    return { host, revision, items: new Map(items.map((item) => [itemKey(item), item])) };
  } catch (err) {
    log.warn({ err }, 'the cached host state cannot be used; waiting for the controller');
    return undefined;
  }
}

/** Writes the state whole. Not synced: a damaged cache is as good as none, and a sync would hold up the event loop. */
export function writeStateCache(
  stateDirectory: string,
  { host, revision, items }: { host: CachedState['host']; revision: string; items: ReadonlyMap<ItemKey, HostItem> },
): void {
  writeDurable(file(stateDirectory), JSON.stringify({ format: FORMAT, host, revision, items: [...items.values()] }), {
    sync: false,
  });
}
