import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { it } from 'node:test';
import { apiPage, apiPageFile } from './generate-api.ts';

it('the checked-in API reference is what the tables say; if not, run scripts/generate-api.ts', () => {
  assert.equal(readFileSync(apiPageFile, 'utf8'), apiPage());
});
