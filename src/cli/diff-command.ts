/** `heddle diff`: what is different now from what was. */
import type { Command } from 'commander';
import { HeddleError } from '../model/errors.ts';
import { makeCommand, withShared } from './command.ts';
import { diffSince, type Whose, withWhose } from './history-commands.ts';
import type { Io } from './io.ts';

interface DiffTyped extends Whose {
  readonly since?: string;
}

export function diffCommand(io: Io): Command {
  const command = makeCommand('diff', 'Show what is different: + is new, ~ has changed, - is gone', [
    'heddle diff --since 412 --tenant acme',
    'heddle diff --since 2026-01-31T08:00:00Z',
    'heddle diff --since 90m --json',
  ]).option('--since <revision|time>', 'a revision, a time as 2026-01-31T08:00:00Z, or how long ago, as 90m');
  return withShared(withWhose(command), 'controller', 'json').action(async (typed: DiffTyped) => {
    if (typed.since === undefined) throw new HeddleError('USAGE', { problem: 'from what? Give --since' });
    await diffSince(io, typed.since, typed);
  });
}
