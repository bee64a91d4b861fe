/** `heddle history`, `heddle rollback`, and `heddle diff --since`. */
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import { HeddleError } from '../model/errors.ts';
import type { Difference, HistoryEntry, ObjectHistory, Rollback } from '../model/history.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import { changesText, fieldText, isKind, learnReferred } from './change-text.ts';
import { controllerClient, integer, makeCommand, printJson, requireTenant, type Typed, withShared } from './command.ts';
import type { Io } from './io.ts';
import type { Names } from './show.ts';
import { table } from './table.ts';

/** A rollback may write thousands of objects. */
const ROLLBACK_MS = 120_000;
/** What changes are asked of, and how to ask for all tenants where one is set. */
export interface Whose extends Typed {
  readonly installation?: boolean;
}

/** The tenant whose objects are meant; undefined: everybody's. */
export const tenantOf = ({ tenant, installation }: Whose): string | undefined =>
  installation || !tenant ? undefined : tenant;

/** Adds what says whose objects are meant. */
export const withWhose = (command: Command): Command =>
  withShared(command, 'tenant').option('--installation', 'everybody’s, even if a tenant is set in the environment');

export function historyCommand(io: Io): Command {
  const kindNames = Object.keys(kinds).join(', ');
  const command = makeCommand(
    'history',
    'Show what has become of an object, the newest first; also of one that is gone, and of all that had its name',
    [
      'heddle history network web --tenant acme',
      'heddle history port db1 --tenant acme --limit 5',
      'heddle history host h1 --json',
    ],
  )
    .argument('<kind>', kindNames)
    .argument('<name>', 'its name or id')
    .option('--limit <number>', 'at most so many entries', integer)
    .option('--before <revision>', 'only what was written before this revision');
  return withShared(command, 'tenant', 'controller', 'json').action(
    async (kind: string, name: string, typed: Typed & { limit?: number; before?: string }) => {
      if (!isKind(kind)) throw new HeddleError('USAGE', { problem: `${kind} is no kind; there is ${kindNames}` });
      const client = controllerClient(typed);
      const { limit, before } = typed;
      const tenant = kinds[kind].scope === 'tenant' ? requireTenant(typed) : undefined;
      const base = tenant === undefined ? '/v1' : `/v1/tenants/${encodeURIComponent(tenant)}`;
      const path = `${base}/${kinds[kind].plural}/${encodeURIComponent(name)}/history`;
      const history = (await client.request('GET', path, { query: { limit, before } })) as ObjectHistory;
      if (typed.json) return printJson(io, history);
      io.out(await historyText(client, kind, tenant, history.items));
      if (history.next !== undefined) io.err(`there is more: --before ${history.next}\n`);
      else if (history.oldest !== '0')
        io.err(
          `what was before revision ${history.oldest}${history.oldestAt ? ` of ${history.oldestAt}` : ''} is forgotten\n`,
        );
    },
  );
}

async function historyText(
  client: Client,
  kind: Kind,
  tenant: string | undefined,
  items: readonly HistoryEntry[],
): Promise<string> {
  const names = new Map<string, string>();
  for (const { changes } of items) await learnReferred(client, kind, changes, names, tenant);
  return table(
    ['revision', 'time', 'change', 'id', 'fields'],
    items.map((entry) => [entry.revision, entry.at ?? '-', entry.type, entry.id, fieldsText(entry, names)]),
  );
}

const fieldsText = ({ type, changes }: HistoryEntry, names: Names): string =>
  type === 'delete' ? '' : changes.map((change) => fieldText(change, names)).join('; ');

export function rollbackCommand(io: Io): Command {
  const command = makeCommand(
    'rollback',
    'Bring what users wrote back to what it was: of a tenant, or of the whole installation. Bindings, leases and hosts stay as they are',
    [
      'heddle rollback --to 412 --tenant acme --dry-run',
      'heddle rollback --to 2026-01-31T08:00:00Z --tenant acme',
      'heddle rollback --to 90m --installation',
    ],
  )
    .requiredOption('--to <revision|time>', 'a revision, a time as 2026-01-31T08:00:00Z, or how long ago, as 90m')
    .option('--dry-run', 'show what it would do, and do nothing');
  return withShared(withWhose(command), 'controller', 'json').action(
    async (typed: Whose & { to: string; dryRun?: boolean }) => {
      const { to, dryRun = false, installation = false } = typed;
      const tenant = tenantOf(typed);
      if (tenant === undefined && !installation && !dryRun)
        throw new HeddleError('USAGE', { problem: 'of whom? Give --tenant, or --installation for everybody' });
      const client = controllerClient(typed);
      const body = { to, dryRun, ...(tenant !== undefined && { tenant }) };
      const done = (await client.request('POST', '/v1/rollback', { body, deadlineMs: ROLLBACK_MS })) as Rollback;
      if (typed.json) return printJson(io, done);
      io.out(await changesText(io, client, done.items));
      const where = `revision ${done.to.revision}${done.to.at ? ` of ${done.to.at}` : ''}`;
      const count = `${done.items.length} object${done.items.length === 1 ? '' : 's'}`;
      if (done.items.length === 0) io.err(`nothing differs from ${where}\n`);
      else if (dryRun) io.err(`${count} would change, to what was at ${where}; nothing was changed\n`);
      else io.err(`${count} changed, to what was at ${where}; now at revision ${done.revision}\n`);
    },
  );
}

/** What is different now from what was at a revision or time. */
export async function diffSince(io: Io, since: string, typed: Whose): Promise<void> {
  const client = controllerClient(typed);
  const query = { since, tenant: tenantOf(typed) };
  const found = (await client.request('GET', '/v1/diff', { query })) as Difference;
  if (typed.json) return printJson(io, found);
  io.out(await changesText(io, client, found.items));
  const where = `revision ${found.since.revision}${found.since.at ? ` of ${found.since.at}` : ''}`;
  if (found.total === 0) io.err(`nothing differs from ${where}\n`);
  else if (found.items.length < found.total) io.err(`and ${found.total - found.items.length} more, since ${where}\n`);
}
