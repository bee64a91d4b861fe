import { statSync } from 'node:fs';
import { pino } from 'pino';
import { openSqlite } from '../store/sqlite.ts';
import { type AssembleOptions, assemble } from './assemble.ts';
import { type Listen, listen } from './listen.ts';

interface ControllerOptions extends Partial<AssembleOptions> {
  /** The store's file; ":memory:" for none. */
  readonly db: string;
  readonly listen: readonly Listen[];
}

export interface Controller extends AsyncDisposable {
  /** What clients connect to, in the order of `listen`: "http://127.0.0.1:7470", "unix:/run/heddle/controller.sock". */
  readonly addresses: readonly string[];
}

/** What the store's file and its write-ahead log take, bytes; undefined if it is in memory. */
function sizeOf(db: string): number | undefined {
  const files = [db, `${db}-wal`].flatMap((file) => statSync(file, { throwIfNoEntry: false })?.size ?? []);
  return files.length === 0 ? undefined : files.reduce((sum, size) => sum + size, 0);
}

/** A controller that is ready for requests. @throws STORE_BROKEN, USAGE */
export async function startController({ db, listen: wanted, ...options }: ControllerOptions): Promise<Controller> {
  const log = options.log ?? pino();
  const onFatal = options.onFatal ?? ((cause: unknown) => log.fatal({ err: cause }, 'the store failed'));
  await using stack = new AsyncDisposableStack();
  const store = stack.use(await openSqlite(db));
  const storeBytes = () => sizeOf(db);
  const { app } = stack.use(await assemble(store, { storeBytes, ...options, log, onFatal }));
  await app.ready();
  const addresses: string[] = [];
  for (const where of wanted) {
    const { server, address } = await listen(app, where);
    stack.defer(() => {
      server.close();
      server.closeAllConnections();
    });
    addresses.push(address);
    log.info({ address }, 'listening; without TLS, so on loopback and lab addresses only');
  }
  return Object.assign(stack.move(), { addresses });
}
