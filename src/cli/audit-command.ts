/** `heddle audit`: what was done and what was refused, and by whom. */
import type { Command } from 'commander';
import type { AuditFilter } from '../client/audit.ts';
import type { Client } from '../client/client.ts';
import { type AuditRecord, auditLimits, whoText } from '../model/audit.ts';
import { HeddleError } from '../model/errors.ts';
import { subjectText, whatText } from './audit-text.ts';
import { controllerClient, integer, makeCommand, type Typed, withShared } from './command.ts';
import { type Io, paint } from './io.ts';
import { printable, table } from './table.ts';

interface AuditTyped extends Typed, Omit<AuditFilter, 'refused' | 'tenant'> {
  readonly refused?: boolean;
  readonly limit?: number;
  readonly all?: boolean;
  readonly follow?: boolean;
}

export function auditCommand(io: Io): Command {
  const command = makeCommand(
    'audit',
    'Show what was done and what was refused: who, from where, what, before and after',
    [
      'heddle audit',
      'heddle audit --tenant acme --since 24h',
      'heddle audit --kind network --object web --tenant acme',
      'heddle audit --refused --who alice',
      'heddle audit --follow --json',
      'heddle audit --since 2026-01-01T00:00:00Z --all --json > audit.jsonl',
    ],
    'Administrators read all of it; administrators of a tenant what is of the tenant, and of others not who they are. --json prints one record a line.',
  )
    .option('--since <time>', 'from so long ago, as 90m, or from a time as 2026-01-31T08:00:00Z')
    .option('--until <time>', 'before such a time')
    .option('--who <name>', 'of this one: a name, or as user:alice, host:h1, controller')
    .option('--kind <kind>', 'of objects of this kind, or of what is none: quota, token, host-token, authority')
    .option('--object <name>', 'of this object (name or id), also if it is gone')
    .option('--refused', 'refusals alone')
    .option('--request <id>', 'of the request of this id')
    .option('--limit <number>', 'the latest so many', integer, auditLimits.pageDefault)
    .option('--all', 'all of them, the oldest first')
    .option('--follow', 'every one that comes, with --since from there on, until interrupted');
  return withShared(command, 'tenant', 'controller', 'json').action(async (typed: AuditTyped) => {
    const { since, until, who, kind, object, request, limit = auditLimits.pageDefault, all, follow } = typed;
    if (all && follow)
      throw new HeddleError('USAGE', { problem: '--all ends, and --follow does not: take one of them' });
    // Most of it is of no tenant, whatever the environment says.
    const tenant = command.getOptionValueSource('tenant') === 'cli' ? typed.tenant : undefined;
    const filter = { since, until, tenant, who, kind, object, request, refused: typed.refused || undefined };
    const client = controllerClient(typed);
    const print = (record: AuditRecord) => io.out(typed.json ? `${JSON.stringify(record)}\n` : lineOf(io, record));
    if (follow) {
      for await (const line of client.followAudit({ ...filter, signal: io.signal })) {
        if ('action' in line) print(line);
        else io.err(`records of up to ${line.forgottenUntil} were forgotten before they could be shown\n`);
      }
    } else if (all) for await (const record of client.auditRecords(filter)) print(record);
    else {
      const { records, keptSince } = await latest(client, filter, limit);
      if (typed.json) for (const record of records) print(record);
      else show(io, records, { limit, keptSince });
    }
  });
}

/** The latest records, at most so many, the oldest of them first. */
async function latest(client: Client, filter: AuditFilter, most: number) {
  const records: AuditRecord[] = [];
  let keptSince: string | undefined;
  for (let before: string | undefined; records.length < most; ) {
    const limit = Math.min(auditLimits.page, most - records.length);
    const page = await client.audit({ ...filter, limit, before });
    records.push(...page.items);
    keptSince = page.keptSince;
    before = page.next;
    if (before === undefined) break;
  }
  return { records: records.reverse(), keptSince };
}

function show(
  io: Io,
  records: readonly AuditRecord[],
  { limit, keptSince }: { limit: number; keptSince: string | undefined },
): void {
  if (records.length > 0)
    io.out(
      table(
        ['time', 'who', 'from', 'did', 'what', 'how'],
        records.map((record) => cellsOf(record)),
      ),
    );
  if (records.length === limit) io.err(`the latest ${limit}; --limit shows more, --all all of them\n`);
  else if (keptSince === undefined) io.err('there are no records\n');
  else io.err(`nothing is kept of what was before ${keptSince}\n`);
}

const cellsOf = (record: AuditRecord): string[] => [
  `${record.at.slice(0, 19)}Z`,
  whoText(record.who),
  record.from ?? '-',
  record.action,
  subjectText(record),
  whatText(record),
];

function lineOf(io: Io, record: AuditRecord): string {
  const [time, who, from, action, subject, what] = cellsOf(record).map(printable);
  const did = action!.padEnd(9);
  const shown = action === 'refused' || action === 'unrecorded' ? paint(io, 'yellow', did) : did;
  return `${[time, who, from, shown, subject, what].join('  ').trimEnd()}\n`;
}
