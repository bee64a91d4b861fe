import { statSync } from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { pino } from 'pino';
import { openSqlite } from '../store/sqlite.ts';
import { newSealingKey, openSealingKey } from '../trust/sealing-key.ts';
import { type AssembleOptions, assemble } from './assemble.ts';
import { identifyBy } from './identify.ts';
import { type Listen, listen } from './listen.ts';
import type { Oidc } from './oidc.ts';
import { Renewals } from './renewals.ts';

interface ControllerOptions extends Partial<AssembleOptions> {
  /** The store's file; ":memory:" for none. Beside it is what its secrets are sealed with, and the first admin's token. */
  readonly db: string;
  readonly listen: readonly Listen[];
  /** Where users log in. Default: nowhere, they have tokens. */
  readonly oidc?: Oidc;
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

/** By what clients may call the controller: what it listens on, and the machine's name. */
const namesOf = (wanted: readonly Listen[]): string[] => [
  hostname(),
  ...wanted.flatMap((where) => ('tcp' in where ? where.tcp.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1') : [])),
];

/** A controller that is ready for requests. @throws STORE_BROKEN, USAGE */
export async function startController({
  db,
  listen: wanted,
  oidc,
  ...options
}: ControllerOptions): Promise<Controller> {
  const log = options.log ?? pino();
  const onFatal = options.onFatal ?? ((cause: unknown) => log.fatal({ err: cause }, 'the store failed'));
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openSqlite(db));
  const storeBytes = () => sizeOf(db);
  const sealingKey = db === ':memory:' ? newSealingKey() : openSealingKey(join(dirname(db), 'secret.key'));
  const login = oidc ? { oidc: oidc.settings } : {};
  const own = { storeBytes, sealingKey, login, names: namesOf(wanted) };
  const identify = identifyBy({ authority: () => authority(), oidc });
  const { app, authority, presence } = stack.use(await assemble(store, { identify, ...own, ...options, log, onFatal }));
  await app.ready();
  const tls = wanted.every((where) => 'unix' in where) ? undefined : await authority();
  if (tls) stack.use(new Renewals(tls, presence));
  const addresses: string[] = [];
  for (const where of wanted) {
    const { server, address } = await listen(app, where, { tls });
    stack.defer(() => {
      server.close();
      server.closeAllConnections();
    });
    addresses.push(address);
    log.info({ address }, 'listening');
  }
  return Object.assign(stack.move(), { addresses });
}
