/** `heddle quota`: what a tenant may have, beside what it has. */
import type { Command } from 'commander';
import type { Quota } from '../model/quota.ts';
import { controllerClient, makeCommand, printJson, requireTenant, type Typed, withShared } from './command.ts';
import { type Io, paint } from './io.ts';
import { parseLimitChanges, parseUnit } from './quota-text.ts';
import { table } from './table.ts';

export function quotaCommand(io: Io): Command {
  return makeCommand('quota', 'What a tenant may have, and has; alone, both beside each other', [
    'heddle quota show --tenant acme',
    'heddle quota set ports=100 networks=10 --tenant acme',
    'heddle quota unset ports --tenant acme',
  ])
    .addCommand(showCommand(io), { isDefault: true })
    .addCommand(setCommand(io))
    .addCommand(unsetCommand(io));
}

const shared = (command: Command): Command => withShared(command, 'tenant', 'controller', 'json');

function showCommand(io: Io): Command {
  const command = makeCommand('show', 'Show what a tenant has, and what it may have', [
    'heddle quota show --tenant acme',
    'heddle quota show --tenant acme --json',
  ]);
  return shared(command).action(async (typed: Typed) =>
    print(io, typed, await controllerClient(typed).quota(requireTenant(typed))),
  );
}

function setCommand(io: Io): Command {
  const command = makeCommand('set', 'Limit what a tenant may have; less than it has stops growth alone', [
    'heddle quota set ports=100 --tenant acme',
    'heddle quota set networks=10 routers=unlimited --tenant acme',
    'heddle quota set ports=200 --tenant acme --if-revision 412',
  ]).argument('<limits...>', 'unit=number, or unit=unlimited');
  return change(io, command, parseLimitChanges);
}

function unsetCommand(io: Io): Command {
  const command = makeCommand('unset', 'End limits of a tenant', [
    'heddle quota unset ports --tenant acme',
    'heddle quota unset networks routers --tenant acme',
  ]).argument('<units...>', 'what shall have no limit');
  return change(io, command, (units) => Object.fromEntries(units.map((unit) => [parseUnit(unit), null])));
}

/** A command that changes limits: what its words make of them. */
function change(io: Io, command: Command, parse: (words: string[]) => Record<string, number | null>): Command {
  command.option('--if-revision <revision>', 'only if the limits are at this revision; show --json has it');
  return shared(command).action(async (words: string[], typed: Typed & { ifRevision?: string }) => {
    const { ifRevision } = typed;
    print(io, typed, await controllerClient(typed).updateQuota(requireTenant(typed), parse(words), { ifRevision }));
  });
}

/** Units in the order in which the controller has them; one that is full stands out on a terminal. */
function print(io: Io, typed: Typed, quota: Quota): void {
  if (typed.json) return printJson(io, quota);
  const rows = Object.entries(quota.used).map(([unit, used]) => {
    const limit = quota.limits[unit];
    return [unit, String(used), limit === undefined ? 'unlimited' : String(limit)];
  });
  const [header = '', ...lines] = table(['unit', 'used', 'limit'], rows).split('\n');
  const isFull = (i: number) => Number(rows[i]?.[1]) >= Number(rows[i]?.[2]);
  io.out([header, ...lines.map((line, i) => (isFull(i) ? paint(io, 'red', line) : line))].join('\n'));
}
