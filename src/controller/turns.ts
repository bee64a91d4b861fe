import type { Inputs, Kind } from '../model/kinds.ts';
import { growthPrefix, objectPrefix, vniCursorKey } from './keys.ts';
import type { PortRecord } from './records.ts';
import type { World } from './world.ts';

/** Work that would only get in each other's way waits for each other, by what it is about. */
export class Turns {
  /** By key: settles when the last one that asked for it is done. */
  readonly #last = new Map<string, Promise<unknown>>();

  /**
   * Does the work when all that came before with one of the keys is done. The keys are taken one after the other: quotas come
   * first, then numbers, then leases, so that no two wait for each other.
   */
  take<T>([key, ...rest]: readonly string[], work: () => Promise<T>): Promise<T> {
    if (key === undefined) return work();
    const turn = (this.#last.get(key) ?? Promise.resolve()).then(() => this.take(rest, work));
    // What it fails with is its caller's, not the next one's.
    const done = Promise.allSettled([turn]).then(() => {
      if (this.#last.get(key) === done) this.#last.delete(key);
    });
    this.#last.set(key, done);
    return turn;
  }
}

/** The turn of those who make a tenant's use grow that has a limit: all but one would be decided in vain. */
const quotaTurn = (tenant: string): string => `quota/${tenant}`;
/** The turn of those who take the next number. */
const vniTurn = 'vni';

/** The turns of all who write one of these keys, as they are to be taken. */
export function turnsOf(keys: readonly string[]): string[] {
  const quotas = under(growthPrefix, keys).map(([tenant]) => quotaTurn(tenant!));
  const leases = under(objectPrefix('lease'), keys).map(([, id]) => id!);
  return [...new Set([...quotas.sort(), ...(keys.includes(vniCursorKey) ? [vniTurn] : []), ...leases.sort()])];
}

/** The parts of the keys behind a prefix. */
const under = (prefix: string, keys: readonly string[]): string[][] =>
  keys.filter((key) => key.startsWith(prefix)).map((key) => key.slice(prefix.length).split('/'));

/** The turns of whoever may make more of a kind. */
export function turnsOfGrowth({ tenant: tenants, quotas }: World, kind: Kind, scope: string): string[] {
  const tenant = tenants.get(scope)?.record.id;
  return tenant !== undefined && quotas.isLimited(tenant, kind) ? [quotaTurn(tenant)] : [];
}

/** What creates of a kind have in common that would make them conflict: the cursor of VNIs, a host's lease. */
export function turnsOfCreate<K extends Kind>(world: World, kind: K, scope: string, input: Inputs[K]): string[] {
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
  return turnsOfLease(world, ids[0]?.record.id, ids[1]?.record.id);
}

/** The same of what changes or removes an object. */
export function turnsOfObject(world: World, kind: Kind, scope: string, nameOrId: string): string[] {
  if (kind !== 'port' && kind !== 'lease') return [];
  const record = world.find(kind, scope, nameOrId)?.record as PortRecord | undefined;
  return turnsOfLease(world, record?.network, record?.host);
}

function turnsOfLease(world: World, network = '', host = ''): string[] {
  const lease = world.leaseOf(network, host);
  return lease === undefined ? [] : [lease];
}
