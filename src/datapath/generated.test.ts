import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { headerText, reasonsPage } from './generated.ts';
import { maps } from './layouts.ts';
import { REASONS_MAX, reasons } from './reasons.ts';

test('the page of drop reasons is the one that the table generates', () => {
  const page = new URL('../../docs/reference/reasons.md', import.meta.url);
  assert.equal(readFileSync(page, 'utf8'), reasonsPage(), 'run npm run generate');
});

test('the header has every map, and every reason with its number', () => {
  const header = headerText();
  for (const name of Object.keys(maps)) assert.match(header, new RegExp(`^\\} ${name} SEC`, 'm'));
  for (const [i, r] of reasons.entries())
    assert.match(header, new RegExp(`^#define HD_${r.name.toUpperCase()} ${i}$`, 'm'));
});

test('there is room for every reason, and no name twice', () => {
  assert.ok(reasons.length <= REASONS_MAX);
  assert.equal(new Set(reasons.map((r) => r.name)).size, reasons.length);
});
