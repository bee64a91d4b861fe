/**
 * docs/security.md is the list of attacks: each number that is to be shown has a row, each row names the tests that show it,
 * and those tests are there and say the number.
 */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';

const project = resolve(import.meta.dirname, '..');

/** Of the common list of attacks, those through the API, from a host's users, and from who is or would be a host. */
const numbers = [...['A21', 'A22', 'A23', 'A24', 'A25', 'A27', 'A29'], ...['A30', 'A31', 'A32', 'A33', 'A34', 'A37']];

interface Row {
  /** "A22", "A24, A29"; none for what has no number. */
  readonly numbers: readonly string[];
  /** "src/controller/access", or a folder of tests. */
  readonly shownBy: readonly string[];
}

/** The rows of every table whose last column says what shows it. */
function rowsOf(page: string): Row[] {
  const tables = page.split(/\n(?!\|)/).filter((block) => /^\| attack .*\| shown by \|\n/.test(block.trimStart()));
  return tables.flatMap((table) =>
    table
      .trim()
      .split('\n')
      .slice(2)
      .map((line) => {
        const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
        const [attack = '', shown = ''] = [cells[1], cells.at(-2)];
        return {
          numbers: /^(A\d+)(, A\d+)*/.exec(attack)?.[0].split(', ') ?? [],
          shownBy: [...shown.matchAll(/`([^`]+)`/g)].map((m) => m[1]!),
        };
      }),
  );
}

/** The test files of a name: one, or all of a folder. */
function filesOf(name: string): string[] {
  const [file, folder] = [`${name}.test.ts`, join(project, name)];
  if (existsSync(join(project, file))) return [file];
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((each) => each.endsWith('.test.ts'))
    .map((each) => `${name}/${each}`);
}

/** The names of a file's tests, and of the groups that they are in. */
function namesIn(file: string): string[] {
  const text = readFileSync(join(project, file), 'utf8');
  return [...text.matchAll(/\b(?:it|test|describe)\(\s*(['"`])(.*?)\1/g)].map((m) => m[2]!);
}
const says = (file: string, number: string) => namesIn(file).some((name) => new RegExp(`\\b${number}\\b`).test(name));

const rows = rowsOf(readFileSync(join(project, 'docs/security.md'), 'utf8'));

for (const number of numbers)
  test(`${number} has its rows, and each names tests that say so`, () => {
    const own = rows.filter((row) => row.numbers.includes(number));
    assert.ok(own.length > 0, 'it has a row');
    const named = own.flatMap(({ shownBy }) => shownBy);
    assert.ok(
      named.some((name) => filesOf(name).some((file) => says(file, number))),
      `a test of ${named.join(', ')} says ${number}`,
    );
  });

test('each row names tests that are there; one of a number that is to be shown, such as say one of its numbers', () => {
  assert.ok(rows.length > 60, `${rows.length} rows`);
  for (const row of rows) {
    assert.ok(row.shownBy.length > 0, JSON.stringify(row));
    for (const name of row.shownBy) {
      const files = filesOf(name);
      assert.ok(files.length > 0, `${name} is no test`);
      if (!row.numbers.some((number) => numbers.includes(number))) continue;
      const found = files.some((file) => row.numbers.some((number) => says(file, number)));
      assert.ok(found, `no test of ${name} says ${row.numbers.join(' or ')}`);
    }
  }
});

test('each test that says such a number is named by a row of it', () => {
  const folders = ['src', 'test'].flatMap((folder) =>
    readdirSync(join(project, folder), { recursive: true, encoding: 'utf8' }).map((file) => `${folder}/${file}`),
  );
  const files = folders.filter((each) => each.endsWith('.test.ts') && each !== 'test/security.test.ts');
  const unnamed = files.flatMap((file) =>
    numbers
      .filter((number) => says(file, number))
      .filter((number) => {
        const own = rows.filter((row) => row.numbers.includes(number)).flatMap(({ shownBy }) => shownBy);
        return !own.some((name) => filesOf(name).includes(file));
      })
      .map((number) => `${number} ${file}`),
  );
  assert.deepEqual(unnamed, []);
});
