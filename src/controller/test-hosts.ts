/** Hosts of a controller in memory, for tests: what each one's stream would send it, and what it makes of that. */
import assert from 'node:assert/strict';
import { compileHost } from '../compile/compile-host.ts';
import { type Changes, type HostItem, type ItemKey, itemKey } from '../model/host-state.ts';
import { Feed } from './feed.ts';
import { openFurnishedApi, type TestApi } from './test-api.ts';

/** A host as the stream sees it: applies what it is sent, and can be slow. */
export class FakeHost {
  readonly state = new Map<ItemKey, HostItem>();
  readonly messages: Changes[] = [];
  readonly feed: Feed;
  slow = false;
  #sent: (() => void)[] = [];

  constructor({ world, publisher }: TestApi, id: string) {
    this.feed = new Feed(world, id, {
      buffered: () => (this.slow && this.#sent.length > 0 ? Number.MAX_SAFE_INTEGER : 0),
      send: (text, sent) => {
        this.#take(JSON.parse(text) as Changes);
        this.#sent.push(sent);
      },
    });
    publisher.connect(id, this.feed);
    this.feed.start();
  }
  /** The socket has sent everything. */
  drain(): void {
    this.slow = false;
    for (const sent of this.#sent.splice(0)) sent();
  }
  #take(changes: Changes): void {
    this.messages.push(changes);
    for (const item of changes.upserts) this.state.set(itemKey(item), item);
    for (const key of changes.deletes) this.state.delete(key);
  }
}

/** A state in the order of its keys, to compare. */
export const sorted = (state: ReadonlyMap<ItemKey, HostItem>) => [...state].sort(([a], [b]) => (a < b ? -1 : 1));

/** The hosts of `openWithHosts`. */
export const hosts = ['h1', 'h2', 'h3'];

/** Networks web, db and ops, each with subnets, and three hosts that are connected. */
export async function openWithHosts(): Promise<{ api: TestApi; fakes: Map<string, FakeHost> }> {
  const api = await openFurnishedApi();
  for (const [i, name] of ['db', 'ops'].entries()) {
    await api.ok('POST', '/v1/tenants/acme/networks', { name });
    const cidr = `10.${i + 2}.0.0/24`;
    await api.ok('POST', '/v1/tenants/acme/subnets', { name: `${name}4`, network: name, cidr });
  }
  await api.ok('POST', '/v1/hosts', { name: 'h3', vtep: '198.18.0.3' });
  const ids = hosts.map((name) => [name, api.world.find('host', '-', name)!.record.id] as const);
  return { api, fakes: new Map(ids.map(([name, id]) => [name, new FakeHost(api, id)])) };
}

/** What a host was sent is what a compilation from scratch gives. */
export function assertSame(api: TestApi, name: string, fake: FakeHost, when: string): void {
  const id = api.world.find('host', '-', name)!.record.id;
  assert.deepEqual(sorted(fake.state), sorted(compileHost(api.world, id)), `${name} ${when}`);
}
