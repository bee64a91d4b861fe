import type { Command } from 'commander';
import { makeCommand, withShared } from '../command.ts';
import type { Io } from '../io.ts';
import { requireRoot } from '../lab-commands.ts';

export function demoCommand(io: Io): Command {
  const command = makeCommand(
    'demo',
    'Show it all: three hosts on this machine, two tenants with the same addresses, who reaches whom, how fast',
    ['heddle demo', 'heddle demo --once', 'heddle demo --once --json'],
  ).option('--once', 'end after the table, and remove everything');
  return withShared(command, 'json').action(async (typed: { once?: boolean; json?: boolean }) => {
    requireRoot('the demo');
    const { runDemo } = await import('./demo.ts');
    await runDemo(io, { once: typed.once ?? false, json: typed.json ?? false });
  });
}
