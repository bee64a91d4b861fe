/**
 * Names, aliases and labels of containers for their ports. A driver call does not carry them, and asking the engine within
 * one would hold it up for ever: so they are looked up beside the calls, after what the engine tells of its events.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Logger } from 'pino';
import type { ThisHost } from '../agent/this-host.ts';
import type { Workloads } from '../agent/workloads.ts';
import type { Client } from '../client/client.ts';
import { hasCode } from '../model/errors.ts';
import { isProvisional } from '../model/made-network.ts';
import { asName, portNames, wantedNameLabel } from './container-names.ts';
import { connectEngine, type Engine, type EngineEvent, type EngineNetwork } from './engine-api.ts';
import type { PluginRecords } from './records.ts';
import { keepTrying } from './retries.ts';
import { SwarmConfigs } from './swarm-configs.ts';
import { lookAtNetworks, Sweep } from './sweep.ts';

export interface DockerNamesOptions {
  /** The engine's unix socket. */
  readonly engine: string;
  /** By which it is told who asks. */
  readonly engineHeaders?: Readonly<Record<string, string>> | undefined;
  readonly workloads: Pick<Workloads, 'portOf' | 'update' | 'used'>;
  readonly records: PluginRecords;
  /** The controller's, for the names of networks, and which of them a Swarm may use. */
  readonly client: Pick<Client, 'update' | 'list'>;
  /** Those that the engine's users may touch. */
  readonly tenants: readonly string[];
  readonly thisHost: ThisHost;
  readonly log: Logger;
  /** Between two looks at all that the engine knows; default 10 s. */
  readonly lookMs?: number;
}

/** Waits before the engine is tried again: doubled from the first to the last. */
const backoffMs = { first: 100, last: 2_000 } as const;
/** So long what the engine tells is gathered: of a container that is gone by then it need not be asked. */
const gatherMs = 50;

/** Follows an engine until disposed; that it is away, or comes back, is no matter. */
export function openDockerNames(options: DockerNamesOptions): AsyncDisposable {
  const stop = new AbortController();
  const done = followForEver(options, stop.signal);
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
    },
  };
}

async function followForEver(options: DockerNamesOptions, signal: AbortSignal): Promise<void> {
  const { log, engine: socket } = options;
  const sweep = new Sweep(options.records, log);
  const follow = async (well: () => void): Promise<never> => {
    const engine = await connectEngine(socket, { signal, headers: options.engineHeaders });
    const { Name } = await engine.info();
    sweep.startAnew();
    return new Follower(options, engine, Name, sweep).run(signal, () => {
      log.info({ socket }, 'following the Docker engine');
      well();
    });
  };
  const tell = (problem: string) => log.warn({ problem }, 'the Docker engine is away; its containers stay');
  await keepTrying(follow, { backoffMs, signal, tell });
}

/** One connection to an engine. */
class Follower {
  readonly #options: DockerNamesOptions;
  readonly #engine: Engine;
  readonly #engineName: string;
  readonly #sweep: Sweep;
  readonly #configs: SwarmConfigs;
  /** Containers to look at. */
  readonly #dirty = new Set<string>();
  #lookAtAll = true;
  /** Resolves when there is something to do. */
  #wake = Promise.withResolvers<void>();

  constructor(options: DockerNamesOptions, engine: Engine, engineName: string, sweep: Sweep) {
    this.#options = options;
    this.#engine = engine;
    this.#engineName = engineName;
    this.#sweep = sweep;
    this.#configs = new SwarmConfigs(options);
  }

  /** Until the engine ends the connection, or `signal` aborts. `caughtUp`: the first look is done. @throws always */
  async run(signal: AbortSignal, caughtUp: () => void): Promise<never> {
    const ended = new AbortController();
    const either = AbortSignal.any([signal, ended.signal]);
    const events = await this.#engine.events(either);
    either.addEventListener('abort', () => this.#wake.resolve());
    const timer = setInterval(() => this.#lookSoon(), this.#options.lookMs ?? 10_000);
    const both = [this.#listen(events), this.#work(either, caughtUp)];
    try {
      return await Promise.race(both);
    } finally {
      clearInterval(timer);
      ended.abort();
      await Promise.allSettled(both); // the first one's end was told, and the other's is its consequence
    }
  }

  #lookSoon(): void {
    this.#lookAtAll = true;
    this.#wake.resolve();
  }

  async #listen(events: AsyncIterable<EngineEvent>): Promise<never> {
    for await (const event of events) {
      const id = this.#containerOf(event);
      if (id !== undefined) {
        this.#dirty.add(id);
        this.#wake.resolve();
      } else if (event.Type === 'network' && event.Action === 'create') this.#lookSoon();
    }
    throw new Error('the engine ended its events');
  }

  /** The container whose port's names an event may change. What ends is no matter: its port goes with it. */
  #containerOf({ Type, Action, Actor }: EngineEvent): string | undefined {
    if (Type === 'container') return ['start', 'rename', 'update'].includes(Action) ? Actor.ID : undefined;
    const isOurs = () => this.#options.records.endpoints().some((e) => e.network === Actor.ID);
    return Type === 'network' && Action === 'connect' && isOurs() ? Actor.Attributes?.container : undefined;
  }

  async #work(signal: AbortSignal, caughtUp: () => void): Promise<never> {
    for (let first = true; ; first = false) {
      signal.throwIfAborted();
      if (this.#lookAtAll) {
        this.#lookAtAll = false;
        await this.#all();
      }
      for (const id of this.#dirty) {
        signal.throwIfAborted();
        this.#dirty.delete(id);
        await this.#container(id);
      }
      if (first) caughtUp();
      await this.#wake.promise;
      await delay(gatherMs, undefined, { signal });
      this.#wake = Promise.withResolvers();
    }
  }

  /** Everything: after a connection began, and now and then. */
  async #all(): Promise<void> {
    const networks = await lookAtNetworks(this.#engine);
    for (const network of networks) await this.#network(network);
    const ours = new Set(this.#options.records.endpoints().map((e) => e.id));
    for (const { Id, NetworkSettings } of await this.#engine.containers())
      if (Object.values(NetworkSettings?.Networks ?? {}).some((n) => ours.has(n.EndpointID))) this.#dirty.add(Id);
    await this.#sweep.look(networks);
    await this.#swarm(networks);
  }

  /** A controller that is away is no reason to begin anew with the engine. */
  async #swarm(networks: readonly EngineNetwork[]): Promise<void> {
    try {
      await this.#configs.look(this.#engine, networks);
    } catch (e) {
      if (!hasCode(e, 'CONTROLLER_UNREACHABLE') && !hasCode(e, 'NOT_FOUND')) throw e;
    }
  }

  /** Names the ports of one container. */
  async #container(id: string): Promise<void> {
    const container = await this.#engine.container(id);
    if (!container) return;
    const { workloads, records, log } = this.#options;
    const owners = new Map(records.endpoints().map((e) => [e.id, e.owner]));
    for (const [network, { EndpointID }] of Object.entries(container.NetworkSettings.Networks ?? {})) {
      const owner = owners.get(EndpointID);
      const port = owner === undefined ? undefined : workloads.portOf(owner);
      if (owner === undefined || !port) continue;
      const { name, dnsNames, labels } = portNames(container, network, this.#engineName);
      const change = {
        ...(port.labels[wantedNameLabel] !== name && { name }),
        ...(!same(port.dnsNames, dnsNames) && { dnsNames }),
        ...(!same(port.labels, labels) && { labels }),
      };
      if (Object.keys(change).length === 0) continue;
      try {
        await workloads.update(owner, change);
      } catch (err) {
        // It may have ended meanwhile; else the next look tries again.
        if (!hasCode(err, 'NOT_FOUND')) log.warn({ err, container: container.Name }, 'its port could not be named');
      }
    }
  }

  /** Names a network that was made for a Docker network after it: here, because Docker's calls do not say its name. */
  async #network({ Id, Name }: EngineNetwork): Promise<void> {
    const { workloads, records, client, thisHost, log } = this.#options;
    const record = records.networks().find((n) => n.id === Id && n.made);
    const item = record && [...workloads.used.values()].find((n) => n.id === record.network);
    const name = asName(Name);
    if (!item || !isProvisional(item.name) || name === undefined) return;
    const rename = (to: string) => client.update('network', item.id, { name: to }, { tenant: record.tenant });
    try {
      await rename(name).catch((e: unknown) => {
        if (!hasCode(e, 'NAME_TAKEN')) throw e;
        return rename(`${name}-${thisHost.name}`.slice(0, 63));
      });
    } catch (err) {
      // The next look tries again.
      if (!hasCode(err, 'CONTROLLER_UNREACHABLE')) log.warn({ err, network: Name }, 'its network could not be named');
    }
  }
}

/** Equal as JSON, whatever the order of keys. */
const same = (a: unknown, b: unknown): boolean => text(a) === text(b);
const text = (value: unknown): string =>
  JSON.stringify(value, (_, v: unknown) =>
    v !== null && typeof v === 'object' && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );
