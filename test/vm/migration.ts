/** Live migration: QEMU moves a running guest to a QEMU on another host, and says how long it stood still. */
import { until } from '../../src/lab/processes.ts';
import type { Guest } from './guest.ts';

/** How a migration went. */
export interface Migrated {
  /** All of it, while the guest ran on; milliseconds. */
  readonly tookMs: number;
  /** From QEMU's STOP on the source to its RESUME on the target; milliseconds. */
  readonly pauseMs: number;
  /** What the source says of that; it does not know of the target's last steps. */
  readonly downtimeMs: number;
}

interface Query {
  readonly status: string;
  readonly downtime?: number;
  readonly 'total-time'?: number;
  readonly 'error-desc'?: string;
}

/** Moves a guest to where another QEMU waits for it ("tcp:198.18.0.1:4444"); resolves when it runs there. */
export async function migrate(from: Guest, to: Guest, uri: string): Promise<Migrated> {
  const [source, target] = await Promise.all([from.qmp(), to.qmp()]);
  await source.run('migrate', { uri });
  const done = await until('the guest is moved', 60_000, async () => {
    const query = await source.run<Query>('query-migrate');
    if (query.status === 'failed') throw new Error(`the migration failed: ${query['error-desc']}`);
    return query.status === 'completed' ? query : undefined;
  });
  const resumed = await until('the guest runs on', 10_000, async () => target.last('RESUME'));
  return {
    tookMs: done['total-time'] ?? 0,
    pauseMs: Math.round(resumed.atMs - source.last('STOP')!.atMs),
    downtimeMs: done.downtime ?? 0,
  };
}

/** Begins to move a guest, slowly, and gives it up when the most of its memory is still to come. */
export async function abort(from: Guest, uri: string): Promise<void> {
  const source = await from.qmp();
  await source.run('migrate-set-parameters', { 'max-bandwidth': 1 << 20 });
  await source.run('migrate', { uri });
  await until('it is under way', 20_000, async () =>
    (await source.run<Query>('query-migrate')).status === 'active' ? true : undefined,
  );
  await source.run('migrate_cancel');
  await until('it is given up', 20_000, async () =>
    (await source.run<Query>('query-migrate')).status === 'cancelled' ? true : undefined,
  );
  await source.run('migrate-set-parameters', { 'max-bandwidth': 1 << 30 });
}
