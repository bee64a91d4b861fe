/** `heddle history`, `heddle rollback`, and `heddle diff --since`. */
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import type { FieldChange } from '../model/change.ts';
import { HeddleError } from '../model/errors.ts';
import type { HistoryEntry } from '../model/history.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import { differenceText, doneText, fieldText, shownFields } from './change-text.ts';
import {
  controllerClient,
  integer,
  makeCommand,
  parseKind,
  printJson,
  requireTenant,
  type Typed,
  tenantOf,
  type Whose,
  waitMsOf,
  withShared,
  withWait,
  withWhose,
} from './command.ts';
import type { Io } from './io.ts';
import { learnNames, type Names } from './show.ts';
import { table } from './table.ts';

export function historyCommand(io: Io): Command {
  const command = makeCommand(
    'history',
    'Show what has become of an object, the newest first; also of one that is gone, and of all that had its name',
    [
      'heddle history network web --tenant acme',
      'heddle history port db1 --tenant acme --limit 5',
      'heddle history host h1 --json',
    ],
  )
    .argument('<kind>', Object.keys(kinds).join(', '))
    .argument('<name>', 'its name or id')
    .option('--limit <number>', 'at most so many entries', integer)
    .option('--before <revision>', 'only what was written before this revision');
  return withShared(command, 'tenant', 'controller', 'json').action(
    async (kindText: string, name: string, typed: Typed & { limit?: number; before?: string }) => {
      const kind = parseKind(kindText);
      const client = controllerClient(typed);
      const { limit, before } = typed;
      const { scope } = kinds[kind];
      const tenant = scope === 'tenant' ? requireTenant(typed) : scope === 'either' ? typed.tenant : undefined;
      const history = await client.history(kind, name, { tenant, limit, before });
      if (typed.json) return printJson(io, history);
      io.out(await historyText(client, kind, tenant, history.items));
      if (history.next !== undefined) io.err(`there is more: --before ${history.next}\n`);
      else if (history.oldest !== '0')
        io.err(`what was before ${momentText({ revision: history.oldest, at: history.oldestAt })} is forgotten\n`);
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
  for (const entry of items) await learnReferred(client, kind, shownFields(entry), names, tenant);
  return table(
    ['revision', 'time', 'change', 'id', 'fields'],
    items.map((entry) => [entry.revision, entry.at ?? '-', entry.action, entry.id, fieldsText(entry, names)]),
  );
}

const fieldsText = (entry: HistoryEntry, names: Names): string =>
  shownFields(entry)
    .map((field) => fieldText(field, names))
    .join('; ');

/** Learns the names of what fields refer to, before and after. */
async function learnReferred(
  client: Client,
  kind: Kind,
  fields: readonly FieldChange[],
  names: Map<string, string>,
  tenant: string | undefined,
): Promise<void> {
  for (const side of ['before', 'after'] as const)
    await learnNames(client, kind, Object.fromEntries(fields.map((f) => [f.field, f[side]])), names, tenant);
}

const momentText = ({ revision, at }: { revision: string; at?: string | undefined }): string =>
  `revision ${revision}${at ? ` of ${at}` : ''}`;
/** How a moment is typed. */
export const momentHelp = 'a revision, a time as 2026-01-31T08:00:00Z, or how long ago, as 90m';

export function rollbackCommand(io: Io): Command {
  const command = makeCommand(
    'rollback',
    'Bring what users wrote back to what it was: of a tenant, or of the whole installation. Bindings, leases and hosts stay as they are',
    [
      'heddle rollback --to 412 --tenant acme --dry-run',
      'heddle rollback --to 2026-01-31T08:00:00Z --tenant acme --wait',
      'heddle rollback --to 90m --installation',
    ],
  )
    .requiredOption('--to <revision|time>', momentHelp)
    .option('--dry-run', 'show what it would do, and do nothing');
  return withWait(withShared(withWhose(command), 'controller', 'json')).action(
    async (typed: Whose & { to: string; dryRun?: boolean; wait?: true | string }) => {
      const { to, dryRun = false, installation = false } = typed;
      const tenant = tenantOf(typed);
      if (tenant === undefined && !installation && !dryRun)
        throw new HeddleError('USAGE', { problem: 'of whom? Give --tenant, or --installation for everybody' });
      const done = await controllerClient(typed).rollback(to, { tenant, dryRun, waitMs: waitMsOf(typed.wait) });
      if (typed.json) return printJson(io, done);
      io.out(doneText(done, dryRun));
      io.err(`to what was at ${momentText(done.to)}\n`);
    },
  );
}

/** What is different now from what was at a revision or time. */
export async function diffSince(io: Io, since: string, typed: Whose): Promise<void> {
  const client = controllerClient(typed);
  const found = await client.diff(since, { tenant: tenantOf(typed) });
  if (typed.json) return printJson(io, found);
  const { changes, total } = found;
  const names = new Map(changes.map(({ id, name }) => [id!, name]));
  for (const change of changes) await learnReferred(client, change.kind, shownFields(change), names, change.tenant);
  io.out(differenceText(io, changes, names));
  if (total === 0) io.err(`nothing differs from ${momentText(found.since)}\n`);
  else if (changes.length < total) io.err(`and ${total - changes.length} more, since ${momentText(found.since)}\n`);
}
