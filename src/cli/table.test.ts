import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pairs, table } from './table.ts';

test('columns are aligned and lines have no trailing space', () => {
  assert.equal(
    table(
      ['name', 'id'],
      [
        ['a-long-one', '1'],
        ['b', ''],
      ],
    ),
    'NAME        ID\na-long-one  1\nb\n',
  );
  assert.equal(
    pairs([
      ['name', 'x'],
      ['id', '7'],
    ]),
    'name:  x\nid:    7\n',
  );
});

test('text from elsewhere cannot steer the terminal', () => {
  assert.equal(table(['name'], [['\u001b[2Jx\ny']]), 'NAME\n?[2Jx?y\n');
});
