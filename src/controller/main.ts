import { randomBytes } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { openLog } from '../listen/log.ts';
import { parseTcp } from '../listen/tcp.ts';
import { HeddleError } from '../model/errors.ts';
import type { Store } from '../store/contract.ts';
import { openSqlite } from '../store/sqlite.ts';
import type { SealingKey } from '../trust/sealed.ts';
import { adoptSealingKey, newSealingKey, openSealingKey } from '../trust/sealing-key.ts';
import { type AssembleOptions, assemble } from './assemble.ts';
import { bootstrapAdmin, firstUser } from './bootstrap.ts';
import { identifyBy } from './identify.ts';
import { authorityKey } from './keys.ts';
import { type Listen, listen } from './listen.ts';
import type { Oidc } from './oidc.ts';
import { Renewals } from './renewals.ts';
import { troublesOfTrust } from './trust-condition.ts';
import type { World } from './world.ts';

interface ControllerOptions extends Partial<AssembleOptions> {
  /**
   * The store's file; ":memory:" for none. Beside it, under its name and ".secret.key" or ".admin-token", is what its secrets are
   * sealed with, and the first admin's token. Its folder is made if it is not there.
   */
  readonly db: string;
  readonly listen: readonly Listen[];
  /** Where users log in. Default: nowhere, they have tokens. */
  readonly oidc?: Oidc;
  /** Shows people what is no log's. Default: on a terminal, if there is one. */
  readonly announce?: (text: string) => void;
}

export interface Controller extends AsyncDisposable {
  /** What clients connect to, in the order of `listen`: "https://127.0.0.1:7470", "unix:/run/heddle/controller.sock". */
  readonly addresses: readonly string[];
}

/** What the store's file and its write-ahead log take, bytes; undefined if it is in memory. */
function sizeOf(db: string): number | undefined {
  const files = [db, `${db}-wal`].flatMap((file) => statSync(file, { throwIfNoEntry: false })?.size ?? []);
  return files.length === 0 ? undefined : files.reduce((sum, size) => sum + size, 0);
}

/** What a store's secrets are sealed with: of a store that has some, also if the key was named before it had the store's name. */
function keyOf(db: string, without: Parameters<typeof openSealingKey>[1]): SealingKey {
  const file = `${db}.secret.key`;
  if (without === 'refuse') adoptSealingKey(join(dirname(db), 'secret.key'), file);
  return openSealingKey(file, without);
}

/** For its owner alone. @throws STORE_BROKEN */
function ensureFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw new HeddleError('STORE_BROKEN', { problem: `${folder}: ${(cause as Error).message}` }, cause);
  }
}

/** By what clients may call the controller: what it listens on, and the machine's name. */
const namesOf = (wanted: readonly Listen[]): string[] => [
  hostname(),
  ...wanted.flatMap((where) => ('tcp' in where ? parseTcp(where.tcp).host : [])),
];

const onTerminal = (text: string): void => {
  if (process.stderr.isTTY) process.stderr.write(text);
};

/** What {@link welcomeAdmin} takes. */
interface Welcoming {
  readonly store: Store;
  readonly world: World;
  /** Where the first admin's token is put. */
  readonly file: string;
  readonly log: Pick<AssembleOptions['log'], 'info' | 'warn'>;
  readonly announce: (text: string) => void;
  readonly now: () => Date;
}

/**
 * Tells of the first admin's token at the first start: the log where it is, and only a terminal what it is. A store of before
 * there were roles has no such start, and nobody in it may do anything.
 */
async function welcomeAdmin({ store, world, file, log, announce, now }: Welcoming): Promise<void> {
  const token = await bootstrapAdmin({ store, now, randomBytes, file });
  const hasAdmin = [...world.grant.values()].some(({ record }) => record.role === 'admin');
  if (token === undefined && !hasAdmin)
    log.warn(
      {},
      'no grant gives anybody the role admin, so root here alone may all: heddle grant create admin --subject user:admin --role admin, and heddle token create --user admin',
    );
  if (token === undefined) return;
  log.info({ file }, `first start: the API token of user ${firstUser}, who may all, is in a file`);
  announce(
    `\nThe API token of user ${firstUser}, who may all; it is shown this once, and is in ${file} too:\n\n  ${token}\n\n`,
  );
}

/** A controller that is ready for requests. @throws STORE_BROKEN, USAGE */
export async function startController({
  db,
  listen: wanted,
  oidc,
  names = [],
  now = () => new Date(),
  announce = onTerminal,
  ...options
}: ControllerOptions): Promise<Controller> {
  const log = options.log ?? openLog('info');
  const onFatal = options.onFatal ?? ((cause: unknown) => log.fatal({ err: cause }, 'the store failed'));
  await using stack = new AsyncDisposableStack();
  if (db !== ':memory:') ensureFolder(dirname(db));
  const store = stack.use(await openSqlite(db));
  const storeBytes = () => sizeOf(db);
  const isSealed = (await store.get(authorityKey)) !== undefined;
  const withoutKey = options.isAuthorityLost ? 'replace' : isSealed ? 'refuse' : 'make';
  const sealingKey = db === ':memory:' ? newSealingKey() : keyOf(db, withoutKey);
  const login = oidc ? { oidc: oidc.settings } : {};
  const own = { now, storeBytes, sealingKey, login, names: [...namesOf(wanted), ...names] };
  const identify = identifyBy({ authority: () => authority(), oidc });
  const assembly = await assemble(store, { identify, ...own, ...options, log, onFatal });
  const { app, authority, presence, audit, world, connections: counts } = stack.use(assembly);
  if (db !== ':memory:')
    await welcomeAdmin({ store: audit.store, world, file: `${db}.admin-token`, log, announce, now });
  await app.ready();
  const tls = wanted.every((where) => 'unix' in where) ? undefined : await authority();
  if (tls) stack.use(new Renewals(tls, presence));
  const trust = { authority: world.trust.authority?.record, certificate: tls?.server, now: now() };
  for (const { text, next } of troublesOfTrust(trust)) log.warn({ next }, text);
  const addresses: string[] = [];
  for (const where of wanted) {
    const { address } = stack.use(await listen(app, where, { tls: authority, counts }));
    addresses.push(address);
    log.info({ address }, 'listening');
  }
  return Object.assign(stack.move(), { addresses });
}
