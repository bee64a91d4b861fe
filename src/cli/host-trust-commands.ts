/** `heddle host token` and `heddle host revoke`: who may become a host, and who is one no more. */
import type { Command } from 'commander';
import type { Client } from '../client/client.ts';
import { hasCode } from '../model/errors.ts';
import { everyTenant } from '../model/kinds.ts';
import { tokenIdOf } from '../model/token.ts';
import {
  collect,
  controllerClient,
  duration,
  integer,
  makeCommand,
  printJson,
  type Typed,
  withShared,
} from './command.ts';
import type { Io } from './io.ts';
import { table } from './table.ts';

export function hostTokenCommand(io: Io): Command {
  return makeCommand('token', 'Tokens by which servers become hosts', [
    'heddle host token create',
    'heddle host token list',
    'heddle host token delete 0123456789ab',
  ])
    .addCommand(createCommand(io))
    .addCommand(listCommand(io))
    .addCommand(deleteCommand(io));
}

interface CreateTyped extends Typed {
  readonly ttl?: number;
  readonly uses?: number;
  readonly name?: string;
  readonly tenants?: string[];
}

function createCommand(io: Io): Command {
  const command = makeCommand(
    'create',
    'Make a token; it is shown this once',
    [
      'heddle host token create',
      'heddle host token create --uses 20 --ttl 8h --tenants acme',
      'heddle host token create --name h1',
    ],
    'Whoever has it may make a server a host: hand it on as a password. It names the controller’s authority, too.',
  )
    .option('--ttl <duration>', 'how long it counts, as 90m or 8h (default: 1h)', duration)
    .option('--uses <number>', 'how many servers it lets in (default: 1)', integer)
    .option('--name <host>', 'for this host alone, which may be there: it joins again, or another machine in its place')
    .option(
      '--tenants <tenant>',
      'a tenant in which the host’s users may attach; *: all (repeatable; default: none, or those that the host has)',
      collect,
    );
  return withShared(command, 'controller', 'json').action(async (typed: CreateTyped) => {
    const { ttl, uses, name, tenants } = typed;
    const client = controllerClient(typed);
    const has = name !== undefined && !tenants && !typed.json ? await tenantsOf(client, name) : [];
    const made = await client.createHostToken({
      ...(ttl !== undefined && { ttlSeconds: Math.ceil(ttl / 1000) }),
      ...(uses !== undefined && { uses }),
      ...(name !== undefined && { name }),
      ...(tenants !== undefined && { tenants }),
    });
    if (typed.json) return printJson(io, made);
    io.out(`${made.token}\n`);
    const lost = has.filter(({ id }) => !made.tenants.includes(id)).map((tenant) => tenant.name);
    if (lost.length > 0) io.err(`${name} loses ${lost.join(', ')} by it: you may not give a host rights there\n`);
    if (made.tenants.length === 0)
      io.err('its users may attach in no tenant: say --tenants, or later heddle host update --tenants\n');
    const whom = made.name !== undefined ? `host ${made.name}` : made.uses === 1 ? 'one host' : `${made.uses} hosts`;
    io.err(`until ${made.expiresAt}, for ${whom}; there, as root:\n`);
    // On its socket it is not known by which of its addresses hosts reach it.
    const where = client.address.startsWith('https:') ? client.address : 'https://<controller’s address>:<port>';
    io.err(`  heddle agent join ${where} ${made.token} --install\n`);
  });
}

/** What a host has by now, if it is there. */
async function tenantsOf(client: Client, host: string): Promise<{ readonly id: string; readonly name: string }[]> {
  const { tenants } = await client.get('host', host).catch((e: unknown) => {
    if (hasCode(e, 'NOT_FOUND')) return { tenants: [] };
    throw e;
  });
  const names = new Map(tenants.length > 0 ? (await client.list('tenant')).map(({ id, name }) => [id, name]) : []);
  return tenants.map((id) => ({ id, name: id === everyTenant ? 'every tenant' : (names.get(id) ?? id) }));
}

function listCommand(io: Io): Command {
  const command = makeCommand('list', 'List tokens that count still', ['heddle host token list']);
  return withShared(command, 'controller', 'json').action(async (typed: Typed) => {
    const items = await controllerClient(typed).hostTokens();
    if (typed.json) return printJson(io, { items });
    const rows = items.map(({ id, name = 'any', left, uses, expiresAt, tenants, by }) => [
      ...[id, name, `${left} of ${uses}`, expiresAt],
      ...[tenants.join(',') || 'none', by],
    ]);
    io.out(table(['id', 'host', 'left', 'until', 'tenants', 'by'], rows));
  });
}

function deleteCommand(io: Io): Command {
  const command = makeCommand('delete', 'End a token; who has joined by it stays', [
    'heddle host token delete 0123456789ab',
  ]).argument('<id>');
  return withShared(command, 'controller', 'json').action(async (word: string, typed: Typed) => {
    const id = tokenIdOf(word);
    await controllerClient(typed).deleteHostToken(id);
    if (typed.json) return printJson(io, { deleted: [id] });
    io.out(`token ${id} deleted\n`);
  });
}

export function revokeCommand(io: Io): Command {
  const command = makeCommand(
    'revoke',
    'Shut a host out at once: its certificate does not count any more, and no other host knows it',
    ['heddle host revoke h3'],
    'Its ports stay, bound to it. It comes back by a token: heddle host token create --name h3.',
  ).argument('<host>');
  return withShared(command, 'controller', 'json').action(async (name: string, typed: Typed) => {
    const host = await controllerClient(typed).revokeHost(name);
    if (typed.json) return printJson(io, host);
    io.out(`host ${host.name} is shut out\n`);
  });
}
