/** `heddle diff`: what is different now from what was. */
import type { Command } from 'commander';
import { HeddleError } from '../model/errors.ts';
import { type DocumentsTyped, diffFile, withDocuments } from './apply-commands.ts';
import { makeCommand, type Whose, withShared, withWhose } from './command.ts';
import { diffSince, momentHelp } from './history-commands.ts';
import type { Io } from './io.ts';

interface DiffTyped extends Whose, Omit<DocumentsTyped, 'file'> {
  readonly since?: string;
  readonly file?: readonly string[];
}

export function diffCommand(io: Io): Command {
  const command = makeCommand(
    'diff',
    'Show what is different: + is new, ~ has changed, - is gone; with -f what files would change, and then it ends with 1',
    [
      'heddle diff --since 412 --tenant acme',
      'heddle diff --since 90m --json',
      'heddle diff -f acme.yaml',
      'heddle diff -f network/ --tenant acme --set network --prune',
    ],
  ).option('--since <revision|time>', momentHelp);
  const both = withDocuments(withWhose(command));
  return withShared(both, 'controller', 'json').action(async (typed: DiffTyped) => {
    const { since, file } = typed;
    if ((since === undefined) === (file === undefined))
      throw new HeddleError('USAGE', { problem: 'from what? Give --since or -f' });
    if (since === undefined) await diffFile(io, { ...typed, file: file! });
    else await diffSince(io, since, typed);
  });
}
