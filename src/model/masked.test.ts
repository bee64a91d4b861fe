import assert from 'node:assert/strict';
import { it } from 'node:test';
import { masked } from './masked.ts';

it('A37: leaves of tokens their ids alone, wherever they are in a text', () => {
  const secret = 'A_b-'.repeat(11).slice(0, 43);
  assert.equal(masked(`/v1/tokens/hdt_0123456789abcdef_${secret}?x=1`), '/v1/tokens/hdt_0123456789abcdef_…?x=1');
  assert.equal(masked(`"hdj_0123456789ab_${secret}_${secret}"`), '"hdj_0123456789ab_…"');
  assert.equal(masked(`hdt_${secret}`), 'hdt_…');
  assert.equal(masked(`/v1/tenants/hdt%5F0123456789abcdef%5f${secret}`), '/v1/tenants/hdt%5F0123456789abcdef%5f…');
  assert.equal(masked(`Bearer eyJhbGciOi.${secret}.x, eyjafjallajokull`), 'Bearer eyJ…, eyjafjallajokull');
  const json = JSON.stringify({ text: `\neyJhbGciOi.${secret}.x` });
  assert.equal(masked(json), String.raw`{"text":"\neyJ…"}`);
  assert.equal(masked(`?next=hdt%255F0123456789abcdef%255f${secret}`), '?next=hdt%255F0123456789abcdef%255f…');
  for (const before of ['%20', '%3D', '%2520', '\\f', '?token='])
    assert.equal(masked(`${before}eyJhbGciOi.${secret}.x`), `${before}eyJ…`);
  const long = `eyJ${'A'.repeat(1500)}.${secret}.x`;
  assert.equal(masked(JSON.stringify({ text: `\n${long}` })), String.raw`{"text":"\neyJ…"}`);
  assert.equal(masked('a network called heyJude'), 'a network called heyJude');
  assert.equal(masked('a token (hdt_…) of tenant hdt'), 'a token (hdt_…) of tenant hdt');
});
