/** What Docker's commands cost on a Heddle network, a user-defined bridge and a Swarm overlay, and what traffic costs there. */
import { release } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { connectEngine, type Engine } from '../src/docker/engine-api.ts';
import { labImage } from '../src/lab/image.ts';
import {
  type DockerStage,
  dockerStage,
  type NetworkName,
  networkNames,
  type Spanning,
  subject,
} from './docker-networks.ts';
import { commonMetrics, type Measuring, measure, metrics, settle } from './metrics.ts';
import type { Site } from './paths/path.ts';
import { startPing } from './ping.ts';
import { type Summary, significant, summarize } from './statistics.ts';

/** Networks between whose containers on both hosts traffic is measured; the direct one is no other one there. */
const carriers = ['heddle', 'overlay'] as const;
/** Those that a container joins while another host's waits for it. */
const spanning: readonly Spanning[] = ['heddle', 'direct', 'overlay'];
/** Between two networks: what one has left for later is not to be in the next one's figures. */
const restMs = 1_000;
/** Rounds before the first counted one. */
const warmUp = 2;

/** What was measured of a network, by name: `run_ms`, `rr_us`. */
type Figures = Readonly<Record<string, Summary>>;

/** What a run found out; the object that `--json` prints. */
export interface DockerResult {
  readonly kernel: string;
  /** ISO 8601, UTC. */
  readonly date: string;
  readonly engine: string;
  /** Rounds of commands, each with every command on every network, and of traffic. */
  readonly count: number;
  readonly core: number;
  /** `docker run --rm --network none`, ms. */
  readonly none: Figures;
  readonly networks: Readonly<Record<NetworkName, Figures>>;
  /** "<figure>/<network>": Heddle's median over that network's; and that of the direct network. */
  readonly ratios: Readonly<Record<string, number>>;
  readonly direct_ratios: Readonly<Record<string, number>>;
}

/** What is to be measured, and how. */
export interface DockerPlan {
  readonly site: Site;
  readonly count: number;
  readonly measuring: Measuring;
  readonly now: () => Date;
  /** Called between commands and traffic: keeps all but the measurements off the core. */
  readonly reserve: () => Promise<unknown>;
}

/** Measures all of it. What was set up is removed before this resolves or rejects. */
export async function measureDocker(plan: DockerPlan): Promise<DockerResult> {
  const { site, count, measuring } = plan;
  await using stack = new AsyncDisposableStack();
  const stage = await dockerStage(stack, site);
  const samples = new Samples();
  const api = await connectEngine(stage.engines[1].socket);
  for (let round = -warmUp; round < count; round++) {
    site.signal.throwIfAborted();
    site.progress(round < 0 ? 'warming up' : `commands, round ${round + 1} of ${count}`);
    await commands(stage, api, round + warmUp, round < 0 ? new Samples() : samples);
  }
  await plan.reserve();
  for (const name of carriers) await settle(withoutEnd(stage, name), measuring);
  for (let round = 0; round < count; round++) {
    site.progress(`traffic, round ${round + 1} of ${count}`);
    for (const metric of commonMetrics)
      for (const name of rotated(carriers, round))
        samples.add(name, metric, await measure(metric, withoutEnd(stage, name), measuring));
  }
  site.progress('removing what was set up');
  return report(plan, await stage.engines[0].docker('version', '--format', '{{.Server.Version}}'), samples);
}

/** The stage's stack ends them. */
const withoutEnd = (stage: DockerStage, name: 'heddle' | 'overlay') => ({
  ...stage.ends[name],
  [Symbol.asyncDispose]: () => Promise.resolve(),
});

/** Each first in its turn, in case the place in the order matters. */
const rotated = <T>(items: readonly T[], by: number): T[] => items.map((_, i) => items[(i + by) % items.length]!);

class Samples {
  readonly #values = new Map<string, number[]>();
  add(network: string, figure: string, value: number): void {
    const key = `${network}/${figure}`;
    this.#values.set(key, [...(this.#values.get(key) ?? []), value]);
  }
  /** All figures of a network. */
  of(network: string): Figures {
    const own = [...this.#values].filter(([key]) => key.startsWith(`${network}/`));
    return Object.fromEntries(
      own.map(([key, values]) => {
        const { median, min, max } = summarize(values);
        return [
          key.slice(network.length + 1),
          { median: significant(median), min: significant(min), max: significant(max) },
        ];
      }),
    );
  }
}

/** Every command on every network, once. */
async function commands(stage: DockerStage, api: Engine, round: number, samples: Samples): Promise<void> {
  const none = await run(stage, 'none');
  samples.add('none', 'run_ms', none);
  for (const name of rotated(networkNames, round)) {
    samples.add(name, 'run_ms', (await run(stage, stage.called(name))) - none);
    samples.add(name, 'connect_ms', await timed(() => connect(api, stage.called(name))));
    samples.add(name, 'disconnect_ms', await timed(() => disconnect(api, stage.called(name))));
    await delay(restMs);
  }
  for (const name of rotated(spanning, round)) samples.add(name, 'reach_ms', await reach(stage, api, name, round));
}

/** Milliseconds that something takes. */
async function timed(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

/** The command itself, as a user types it; its own start-up is in that with no network too. */
const run = (stage: DockerStage, network: string): Promise<number> =>
  timed(() => stage.engines[1].docker('run', '--rm', '--network', network, labImage, 'true'));

// The requests that `docker network connect` and `disconnect` make: the client's start would drown the engine's part.
const connect = (api: Engine, network: string, address?: string): Promise<void> =>
  api.post(`/networks/${network}/connect`, {
    Container: subject,
    EndpointConfig: address === undefined ? {} : { IPAMConfig: { IPv4Address: address } },
  });
const disconnect = (api: Engine, network: string): Promise<void> =>
  api.post(`/networks/${network}/disconnect`, { Container: subject });

/** A container joins at an address that is already being pinged from the other host; milliseconds until it answers. */
async function reach(stage: DockerStage, api: Engine, name: Spanning, round: number): Promise<number> {
  const address = stage.freshAddress(name, round);
  using ping = await startPing(stage.probers[name], address);
  const start = process.hrtime.bigint();
  await connect(api, stage.called(name), address);
  const answered = await ping.answered;
  await disconnect(api, stage.called(name));
  return Number(answered - start) / 1e6;
}

function report({ count, measuring, now }: DockerPlan, engine: string, samples: Samples): DockerResult {
  const of = (name: NetworkName) => samples.of(name);
  const networks = { heddle: of('heddle'), direct: of('direct'), bridge: of('bridge'), overlay: of('overlay') };
  const ratiosOf = (ours: 'heddle' | 'direct') =>
    Object.fromEntries(
      (['bridge', 'overlay'] as const).flatMap((other) =>
        Object.entries(networks[ours]).flatMap(([figure, { median }]) => {
          const over = networks[other][figure];
          return over ? [[`${figure}/${other}`, significant(median / over.median)]] : [];
        }),
      ),
    );
  const { core } = measuring;
  return {
    kernel: release(),
    date: now().toISOString(),
    engine,
    ...{ count, core, none: samples.of('none'), networks },
    ...{ ratios: ratiosOf('heddle'), direct_ratios: ratiosOf('direct') },
  };
}

/** Figures of the networks in the order of a table, with their units. */
export const dockerFigures: readonly (readonly [figure: string, title: string])[] = [
  ['run_ms', 'run, less none, ms'],
  ['connect_ms', 'connect, ms'],
  ['disconnect_ms', 'disconnect, ms'],
  ['reach_ms', 'connect to first answer, ms'],
  ...commonMetrics.map((m) => [m, `${metrics[m].title}, ${metrics[m].unit}`] as const),
];
