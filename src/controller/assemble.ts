import { randomBytes } from 'node:crypto';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { newId, VNI_MAX } from '../model/ids.ts';
import type { QuotaLimits } from '../model/quota.ts';
import type { Rates } from '../model/rates.ts';
import type { Store } from '../store/contract.ts';
import { buildApp } from './app.ts';
import { Departures } from './departures.ts';
import { follow } from './follow.ts';
import { type ObserveOptions, observe } from './observe.ts';
import { Presence } from './presence.ts';
import { Publisher } from './publisher.ts';
import { RateLimit } from './rate-limit.ts';
import { type Keep, keepDefault, Retention } from './retention.ts';
import { numberSegments } from './segment-numbers.ts';
import { Silence } from './silence.ts';
import { World } from './world.ts';
import { Writer } from './writer.ts';

export interface AssembleOptions extends ObserveOptions {
  /** VNIs given to networks that ask for none. Default: all. */
  readonly vniPool?: { readonly first: number; readonly last: number };
  /** What a new tenant may have. Default: all it asks for. */
  readonly tenantQuota?: QuotaLimits;
  /** How often a client address may write and read. Default: as often as it likes. */
  readonly rates?: Rates;
  readonly log: FastifyBaseLogger;
  /** Hosts that are not connected for so long are deleted as gone. Default: never. */
  readonly silenceMs?: number;
  /** How much history is kept. Default: 30 days and 256 MiB. */
  readonly keep?: Keep;
  /** Called if the store fails: the world then no longer follows it. */
  readonly onFatal: (cause: unknown) => void;
}

/** The controller's parts on a store, put together but not listening. */
export interface Assembly extends AsyncDisposable {
  readonly world: World;
  readonly presence: Presence;
  readonly publisher: Publisher;
  readonly writer: Writer;
  readonly retention: Retention;
  readonly app: FastifyInstance;
}

/** Loads the world and wires the parts to it. The store stays the caller's. @throws STORE_BROKEN */
export async function assemble(store: Store, options: AssembleOptions): Promise<Assembly> {
  const {
    vniPool = { first: 1, last: VNI_MAX },
    tenantQuota = {},
    rates,
    silenceMs,
    keep = keepDefault,
    log,
    onFatal,
  } = options;
  const world = new World();
  const presence = new Presence();
  const publisher = new Publisher(world);
  const isOnline = (host: string) => presence.get(host) !== undefined;
  const writer = new Writer(
    store,
    { world, now: () => new Date(), newId, randomBytes, vniPool, tenantQuota },
    isOnline,
  );
  world.listeners.add(publisher.publish);
  world.listeners.add(presence.observe);
  const observed = observe({ store, world, presence, publisher }, options);
  const app = buildApp({ store, world, writer, publisher, presence, ...observed }, log, rates && new RateLimit(rates));
  const following = await follow(store, world, (cause) => {
    observed.failed(cause);
    onFatal(cause);
  });
  await numberSegments({ world, writer, log });
  const retention = new Retention({ store, world, keep, onFatal });
  const departures = new Departures({ world, writer, log });
  const silence =
    silenceMs === undefined ? undefined : new Silence({ world, presence, writer, silenceMs, log }).start();
  return {
    world,
    presence,
    publisher,
    writer,
    retention,
    app,
    async [Symbol.asyncDispose]() {
      departures[Symbol.dispose]();
      await retention[Symbol.asyncDispose]();
      silence?.[Symbol.dispose]();
      await app.close();
      await following[Symbol.asyncDispose]();
    },
  };
}
