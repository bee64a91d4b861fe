/** `heddle ca`: the installation's authority, which signs what controllers and hosts know each other by. */
import type { Command } from 'commander';
import type { TrustStatus } from '../model/trust.ts';
import { controllerClient, makeCommand, printJson, type Typed, withShared } from './command.ts';
import type { Io } from './io.ts';
import { table } from './table.ts';

export function caCommand(io: Io): Command {
  return makeCommand(
    'ca',
    'The authority of the installation, by whose certificates controllers and hosts know each other',
    ['heddle ca status', 'heddle ca rotate', 'heddle ca retire'],
  )
    .addCommand(showCommand(io))
    .addCommand(statusCommand(io))
    .addCommand(rotateCommand(io))
    .addCommand(retireCommand(io));
}

const shared = (command: Command): Command => withShared(command, 'controller', 'json');

function showCommand(io: Io): Command {
  const command = makeCommand('show', 'Print its certificates, as PEM', ['heddle ca show >ca.pem']);
  return shared(command).action(async (typed: Typed) => {
    const authority = await controllerClient(typed).authority();
    if (typed.json) return printJson(io, authority);
    io.out(authority.ca);
  });
}

function statusCommand(io: Io): Command {
  const command = makeCommand('status', 'Show authorities, and which hosts’ certificates are of which', [
    'heddle ca status',
    'heddle ca status --json',
  ]);
  return shared(command).action(async (typed: Typed) =>
    print(io, typed, await controllerClient(typed).authorityStatus()),
  );
}

function rotateCommand(io: Io): Command {
  const command = makeCommand(
    'rotate',
    'Make a new authority, which signs from now on; the one before counts until it is retired, so nobody notices',
    ['heddle ca rotate'],
    'Hosts renew their certificates by themselves, within a day. Then: heddle ca retire.',
  );
  return shared(command).action(async (typed: Typed) =>
    print(io, typed, await controllerClient(typed).rotateAuthority()),
  );
}

function retireCommand(io: Io): Command {
  const command = makeCommand('retire', 'End the authority before: what is of it does not count any more', [
    'heddle ca retire',
    'heddle ca retire --force',
  ]).option('--force', 'although hosts have nothing else: these must join again');
  return shared(command).action(async (typed: Typed & { force?: true }) =>
    print(io, typed, await controllerClient(typed).retireAuthority({ force: typed.force ?? false })),
  );
}

function print(io: Io, typed: Typed, status: TrustStatus): void {
  if (typed.json) return printJson(io, status);
  const rows = status.authorities.map(({ id, signs, notAfter, hosts, pin }) => [
    ...[id, signs ? 'signs' : 'counts still', notAfter, String(hosts.length), pin],
  ]);
  io.out(table(['authority', 'state', 'until', 'hosts', 'pin'], rows));
  const older = status.authorities.find(({ signs, hosts }) => !signs && hosts.length > 0);
  if (older) io.out(`of ${older.id} still: ${older.hosts.map(({ name }) => name).join(', ')}\n`);
}
