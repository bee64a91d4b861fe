import { setImmediate } from 'node:timers/promises';
import type {
  AuditBounds,
  AuditExtent,
  AuditForgotten,
  AuditLog,
  AuditRow,
  AuditSort,
} from '../store/audit-contract.ts';
import { Forgetting } from './forgetting.ts';

/** How much of the audit log is kept. */
export interface AuditKeep {
  /** Records of so long ago, milliseconds. */
  readonly ms: number;
  /**
   * So many bytes at most: then the oldest go earlier, of the tenant that has most. An eighth of them is for refusals, which
   * cannot push out the rest.
   */
  readonly bytes: number;
}

/** A year, and some 800,000 records. */
export const auditKeepDefault: AuditKeep = { ms: 365 * 86_400_000, bytes: 512 << 20 };

interface Options {
  readonly log: Pick<AuditLog, 'forget' | 'extent'>;
  readonly keep: AuditKeep;
  /** What the log is to tell of it. */
  readonly tell: (forgotten: AuditForgotten, sort: AuditSort) => AuditRow;
  readonly now: () => Date;
  readonly onFatal: (cause: unknown) => void;
}

/** Forgets records that are too old or too many, a little at a time; each time the log itself tells of it. */
export const openAuditRetention = (options: Options): Forgetting =>
  new Forgetting((nowMs, ended) => forget(options, nowMs, ended), options);

async function forget(options: Options, nowMs: number, ended: AbortSignal): Promise<void> {
  const { log, keep } = options;
  const { last: upTo, sorts } = await log.extent();
  for (const { refused, tenant } of sorts) {
    const bounds = { refused, tenant, olderThanMs: nowMs - keep.ms, bytes: Number.MAX_SAFE_INTEGER, upTo };
    while (await step(options, bounds, ended));
  }
  const refusals = keep.bytes / 8;
  for (const refused of [true, false])
    for (;;) {
      const bounds = excess(await log.extent(), refused, refused ? refusals : keep.bytes - refusals);
      if (!bounds || !(await step(options, { ...bounds, upTo }, ended))) break;
    }
}

/** Of whoever has most, a little: so everybody's are kept for as long as they fit into a fair share. Undefined if that is not needed. */
function excess({ sorts }: AuditExtent, refused: boolean, most: number) {
  const own = sorts.filter((sort) => sort.refused === refused);
  const over = own.reduce((sum, { bytes }) => sum + bytes, -most);
  const [largest] = own.toSorted((a, b) => b.bytes - a.bytes);
  if (over <= 0 || !largest) return undefined;
  return { refused, tenant: largest.tenant, olderThanMs: 0, bytes: Math.max(0, largest.bytes - over) };
}

/** False if there was nothing, or this has ended. */
async function step({ log, tell }: Options, bounds: AuditBounds, ended: AbortSignal): Promise<boolean> {
  if (ended.aborted || !(await log.forget(bounds, (forgotten) => tell(forgotten, bounds)))) return false;
  await setImmediate();
  return true;
}
