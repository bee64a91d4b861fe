import { randomBytes } from 'node:crypto';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { newId, VNI_MAX } from '../model/ids.ts';
import type { LoginSettings } from '../model/login.ts';
import type { QuotaLimits } from '../model/quota.ts';
import type { Rates } from '../model/rates.ts';
import type { Store } from '../store/contract.ts';
import type { KeyedCertificate } from '../trust/authority-certificate.ts';
import type { SealingKey } from '../trust/sealed.ts';
import { newSealingKey } from '../trust/sealing-key.ts';
import type { Identify } from './admission.ts';
import { buildApp } from './app.ts';
import { Audit } from './audit.ts';
import { type AuditKeep, auditKeepDefault, openAuditRetention } from './audit-retention.ts';
import { Authority } from './authority.ts';
import { type ConnectionCounts, connectionCounts } from './connections.ts';
import { Departures } from './departures.ts';
import { follow } from './follow.ts';
import type { Forgetting } from './forgetting.ts';
import { HostSockets } from './host-sockets.ts';
import { type ObserveOptions, observe } from './observe.ts';
import { Presence } from './presence.ts';
import { rootHere } from './principal.ts';
import { Publisher } from './publisher.ts';
import { RateLimit } from './rate-limit.ts';
import { type Keep, keepDefault, openRetention } from './retention.ts';
import { numberSegments } from './segment-numbers.ts';
import { Silence } from './silence.ts';
import { World } from './world.ts';
import { Writer } from './writer.ts';

export interface AssembleOptions extends ObserveOptions {
  /** VNIs given to networks that ask for none. Default: all. */
  readonly vniPool?: { readonly first: number; readonly last: number };
  /** What a new tenant may have. Default: all it asks for. */
  readonly tenantQuota?: QuotaLimits;
  /** How often one user, host or address that shows nothing may write and read. Default: as often as it likes. */
  readonly rates?: Rates;
  /** The clock by which they count, milliseconds; it never goes back. */
  readonly ratesNow?: () => number;
  /** Who sends a request. Default: whoever can is root here. */
  readonly identify?: Identify;
  /** It leaves secrets out by itself, as `openLog`'s does. */
  readonly log: FastifyBaseLogger;
  /** Hosts that are not connected for so long are deleted as gone. Default: never. */
  readonly silenceMs?: number;
  /** How much history is kept. Default: 30 days and 256 MiB. */
  readonly keep?: Keep;
  /** How much of the audit log is kept. Default: a year and 512 MiB. */
  readonly auditKeep?: AuditKeep;
  /** What the authority's key is sealed with in the store. Default: what is gone with this process. */
  readonly sealingKey?: SealingKey;
  /** The authority of a store that has none yet. Default: a new one. */
  readonly givenAuthority?: KeyedCertificate;
  /** What the store's authority is sealed with is lost: another one takes its place. Default: the controller does not start. */
  readonly isAuthorityLost?: boolean;
  /** Names and addresses by which clients reach the controller, for its certificate. */
  readonly names?: readonly string[];
  /** How people log in. Default: with API tokens alone. */
  readonly login?: LoginSettings;
  /** The clock of certificates and tokens. */
  readonly now?: () => Date;
  /** Called if the store fails: the world then no longer follows it. */
  readonly onFatal: (cause: unknown) => void;
}

/** The controller's parts on a store, put together but not listening. */
export interface Assembly extends AsyncDisposable {
  readonly world: World;
  readonly presence: Presence;
  readonly publisher: Publisher;
  readonly writer: Writer;
  readonly retention: Forgetting;
  readonly auditRetention: Forgetting;
  readonly audit: Audit;
  /** The installation's authority, made when it is first asked for. @throws STORE_BROKEN */
  readonly authority: () => Promise<Authority>;
  readonly hostSockets: HostSockets;
  /** For those who listen. */
  readonly connections: ConnectionCounts;
  readonly app: FastifyInstance;
}

/** Loads the world and wires the parts to it. The store stays the caller's. @throws STORE_BROKEN */
export async function assemble(unaudited: Store, options: AssembleOptions): Promise<Assembly> {
  const {
    vniPool = { first: 1, last: VNI_MAX },
    tenantQuota = {},
    rates,
    ratesNow,
    identify = async () => rootHere,
    silenceMs,
    keep = keepDefault,
    auditKeep = auditKeepDefault,
    sealingKey = newSealingKey(),
    givenAuthority: given,
    isAuthorityLost: isLost,
    names = [],
    login = {},
    now = () => new Date(),
    log,
    onFatal,
  } = options;
  const world = new World();
  const audit = new Audit({ store: unaudited, world, now, log });
  // Whoever writes has this one: no write is without its record.
  const { store } = audit;
  const presence = new Presence(now);
  const publisher = new Publisher(world);
  const isOnline = (host: string) => presence.get(host) !== undefined;
  const writer = new Writer(store, { world, now, newId, randomBytes, vniPool, tenantQuota }, isOnline);
  world.listeners.add(publisher.publish);
  world.listeners.add(presence.observe);
  const hostSockets = new HostSockets(now);
  const cutOff = (host: string) => {
    presence.get(host)?.dismiss('its certificate does not count any more');
    hostSockets.cut(host);
  };
  const cutRefused: HostSockets['cutRefused'] = (counts) => hostSockets.cutRefused(counts);
  world.listeners.add(() => world.trust.takeOutdated().forEach(cutOff));
  let opened: Promise<Authority> | undefined;
  let current: Authority | undefined;
  const authority = () => {
    // The controller's own deed, whoever waits for it.
    const open = () => Authority.open({ store, world, sealingKey, given, isLost, names, now, log, cutRefused });
    opened ??= audit.own(open).then(
      (it) => (current = it),
      (e: unknown) => {
        opened = undefined;
        throw e;
      },
    );
    return opened;
  };
  const certificate = () => current?.server;
  const connections = connectionCounts();
  const observed = observe({ store, world, presence, publisher, audit, connections, certificate }, options);
  const trust = { authority, hostSockets, login, now, randomBytes };
  const app = buildApp({ store, world, writer, publisher, presence, audit, ...observed, ...trust }, log, {
    identify,
    rateLimit: rates && new RateLimit(rates, ratesNow),
  });
  const following = await follow(store, world, (cause) => {
    observed.failed(cause);
    onFatal(cause);
  });
  await numberSegments({ world, writer, log });
  const retention = openRetention({ store, world, keep, now, onFatal, tell: audit.historyForgotten });
  const auditRetention = openAuditRetention({
    log: store.audit,
    keep: auditKeep,
    now,
    onFatal,
    tell: audit.auditForgotten,
  });
  const departures = new Departures({ world, writer, log });
  const silence =
    silenceMs === undefined ? undefined : new Silence({ world, presence, writer, silenceMs, log }).start();
  return {
    world,
    presence,
    publisher,
    writer,
    retention,
    auditRetention,
    audit,
    authority,
    hostSockets,
    connections,
    app,
    async [Symbol.asyncDispose]() {
      departures[Symbol.dispose]();
      await retention[Symbol.asyncDispose]();
      await auditRetention[Symbol.asyncDispose]();
      silence?.[Symbol.dispose]();
      await app.close();
      await audit[Symbol.asyncDispose]();
      await (await opened?.catch(() => undefined))?.[Symbol.asyncDispose]();
      await following[Symbol.asyncDispose]();
    },
  };
}
