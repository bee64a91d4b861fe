import assert from 'node:assert/strict';
import type { EventEmitter } from 'node:events';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Command } from 'commander';
import { madeWith } from './command.ts';
import { buildProgram } from './program.ts';
import { cliPage } from './reference.ts';

const silent = { out: () => undefined, err: () => undefined, colour: false, signal: new AbortController().signal };

/** Every command with the words that lead to it. */
function all(command: Command, path = 'heddle'): [string, Command][] {
  return [[path, command], ...command.commands.flatMap((c) => all(c as Command, `${path} ${c.name()}`))];
}

test('docs/reference/cli.md is what the commands generate', () => {
  const page = readFileSync(new URL('../../docs/reference/cli.md', import.meta.url), 'utf8');
  assert.equal(page, cliPage(buildProgram(silent)), 'run: npm run generate');
});

test('every command has a description and an example', () => {
  for (const [path, command] of all(buildProgram(silent))) {
    assert.ok(command.description(), path);
    assert.ok(madeWith(command).examples.length > 0, path);
  }
});

test('the page has all that is in the help behind the options', () => {
  const program = buildProgram(silent);
  const page = cliPage(program);
  for (const [path, command] of all(program)) {
    const { note } = madeWith(command);
    if (note && command !== program)
      assert.ok(page.split(`\n## ${path}\n`)[1]?.split('\n## ')[0]?.includes(note), path);
    assert.equal(
      (command as unknown as EventEmitter).listenerCount('afterHelp'),
      1,
      `${path} adds to its help what the page does not see`,
    );
  }
});

test('every example names a command that exists and only flags that it has', () => {
  const tree = new Map(all(buildProgram(silent)));
  for (const [path, command] of tree)
    for (const example of madeWith(command).examples) {
      const words = example
        .replace(/^source <\(|\)$| \| source$/g, '')
        .split(' -- ')[0]!
        .split(' ');
      let at = 'heddle';
      while (tree.has(`${at} ${words[at.split(' ').length]}`)) at = `${at} ${words[at.split(' ').length]}`;
      const found = tree.get(at)!;
      const known = found.options.flatMap((o) => [o.long, o.short]);
      for (const word of words.filter((w) => /^-./.test(w)))
        assert.ok(known.includes(word), `${path}: "${example}" has ${word}, which ${at} does not know`);
      for (const { long, short } of found.options.filter((o) => o.mandatory))
        assert.ok(words.includes(long!) || (short && words.includes(short)), `${path}: "${example}" lacks ${long}`);
    }
});
