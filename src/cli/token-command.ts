/** `heddle token`: what programs show in place of a login. */
import type { Command } from 'commander';
import { type Token, tokenIdOf } from '../model/token.ts';
import { collect, controllerClient, duration, makeCommand, printJson, type Typed, withShared } from './command.ts';
import type { Io } from './io.ts';
import { table } from './table.ts';

export function tokenCommand(io: Io): Command {
  return makeCommand('token', 'API tokens: what programs show in place of a login', [
    'heddle token create --description CI --tenants acme --ttl 30d',
    'heddle token list',
    'heddle token delete 0123456789abcdef',
  ])
    .addCommand(createCommand(io))
    .addCommand(listCommand(io))
    .addCommand(deleteCommand(io));
}

interface CreateTyped extends Typed {
  readonly user?: string;
  readonly group?: string[];
  readonly description?: string;
  readonly ttl?: number;
  readonly tenants?: string[];
  readonly readOnly?: true;
}

function createCommand(io: Io): Command {
  const command = makeCommand(
    'create',
    'Make a token; it is shown this once',
    [
      'heddle token create --description laptop',
      'heddle token create --description CI --tenants acme --read-only --ttl 30d',
      'heddle token create --user alice',
    ],
    'It may what its user may when it is used, or less; never more than who makes it.',
  )
    .option('--user <name>', 'whose it is; for others than you: an admin’s to say (default: you)')
    .option('--group <name>', 'a group whose roles it has too (repeatable; default: yours, if it is yours)', collect)
    .option('--description <text>', 'what it is for')
    .option(
      '--ttl <duration>',
      'how long it is good, as 8h or 30d (default: 90d, at most 400d; by a provider’s login for yourself: 1d)',
      duration,
    )
    .option('--tenants <tenant>', 'in this tenant alone (repeatable)', collect)
    .option('--read-only', 'it writes nothing');
  return withShared(command, 'controller', 'json').action(async (typed: CreateTyped) => {
    const { user, group, description, ttl, tenants, readOnly } = typed;
    const made = await controllerClient(typed).createToken({
      ...(user !== undefined && { user }),
      ...(group !== undefined && { groups: group }),
      ...(description !== undefined && { description }),
      ...(ttl !== undefined && { ttlSeconds: Math.ceil(ttl / 1000) }),
      ...((tenants || readOnly) && { scope: { ...(tenants && { tenants }), ...(readOnly && { readOnly }) } }),
    });
    if (typed.json) return printJson(io, made);
    io.out(`${made.token}\n`);
    io.err(`of user ${made.user}, until ${made.expiresAt}; it is not shown again\n`);
  });
}

function listCommand(io: Io): Command {
  const command = makeCommand('list', 'List your tokens; an admin: everybody’s', [
    'heddle token list',
    'heddle token list --json',
  ]);
  return withShared(command, 'controller', 'json').action(async (typed: Typed) => {
    const client = controllerClient(typed);
    const items = await client.tokens();
    if (typed.json) return printJson(io, { items });
    if (items.length === 0) return io.err('no tokens\n');
    const scoped = items.some(({ scope }) => scope.tenants);
    const names = new Map(scoped ? (await client.list('tenant')).map(({ id, name }) => [id, name]) : []);
    const rows = items.map((token) => [
      ...[token.id, token.user, token.groups.join(', ') || '-', scopeText(token, names)],
      ...[token.expiresAt, token.description || '-'],
    ]);
    io.out(table(['id', 'user', 'groups', 'scope', 'until', 'description'], rows));
  });
}

function scopeText({ scope: { tenants, readOnly } }: Token, names: ReadonlyMap<string, string>): string {
  const where = tenants ? tenants.map((id) => names.get(id) ?? id).join(', ') : 'all of its user’s';
  return readOnly ? `${where}; reads only` : where;
}

function deleteCommand(io: Io): Command {
  const command = makeCommand('delete', 'Delete tokens: from now on they are no good', [
    'heddle token delete 0123456789abcdef',
    'heddle token delete 0123456789abcdef --json',
  ]).argument('<ids...>');
  return withShared(command, 'controller', 'json').action(async (words: string[], typed: Typed) => {
    const ids = words.map(tokenIdOf);
    const client = controllerClient(typed);
    const deleted: string[] = [];
    try {
      for (const id of ids) {
        await client.deleteToken(id);
        deleted.push(id);
        if (!typed.json) io.out(`token ${id} deleted\n`);
      }
    } finally {
      if (typed.json) printJson(io, { deleted });
    }
  });
}
