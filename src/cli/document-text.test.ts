import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import type { Document } from '../model/document.ts';
import { HeddleError } from '../model/errors.ts';
import { parseText, textOf } from './document-text.ts';

const values = (text: string): unknown[] => parseText(text, 'a.yaml').map(({ value }) => value);
const refusalOf = (text: string): string => {
  try {
    parseText(text, 'a.yaml');
  } catch (e) {
    assert.ok(e instanceof HeddleError, String(e));
    return e.message;
  }
  return 'it was taken';
};

it('reads several documents, lists of them, JSON, and nothing', () => {
  const expected = [
    { kind: 'tenant', name: 'a' },
    { kind: 'tenant', name: 'b' },
  ];
  assert.deepEqual(values('# all\n---\nkind: tenant\nname: a\n---\n# none\n---\nkind: tenant\nname: b\n'), expected);
  assert.deepEqual(values('- { kind: tenant, name: a }\n- kind: tenant\n  name: b\n'), expected);
  assert.deepEqual(values('[{"kind":"tenant","name":"a"},\n\t{"kind":"tenant","name":"b"}]'), expected);
  assert.deepEqual(values(''), []);
  assert.deepEqual(values('yes: no\nn: 010\nat: 2026-01-31\n'), [{ yes: 'no', n: 10, at: '2026-01-31' }]);
});

it('knows the line of a document and of each of its fields', () => {
  const [, second] = parseText(
    'kind: a\n---\nkind: b\nname: x\nlabels:\n  tier: web\npools:\n  - first: 1\n    last: 2\n',
    'n.yaml',
  );
  assert.equal(second!.at(), 'n.yaml:3');
  assert.equal(second!.at('name'), 'n.yaml:4');
  assert.equal(second!.at('labels/tier'), 'n.yaml:6');
  assert.equal(second!.at('labels/none'), 'n.yaml:5');
  assert.equal(second!.at('pools/0/last'), 'n.yaml:9');
  assert.equal(second!.at('none'), 'n.yaml:3');
});

it('refuses what is no document, with the line', () => {
  assert.match(refusalOf('kind: a\nkind: b\n'), /^a\.yaml:2: .*unique/);
  assert.match(refusalOf('a: [1\nb: 2\n'), /^a\.yaml:\d: /);
  assert.match(refusalOf('a: !!js/function "x"\n'), /^a\.yaml:1: .*tag/i);
  assert.match(refusalOf('? [a]\n: b\n'), /^a\.yaml:1: /);
});

it('follows no alias, however few there are', () => {
  assert.match(refusalOf('a: &x 1\nb: *x\n'), /^a\.yaml:2: aliases \(\*x\) are not taken: write it out/);
  const bomb = ['a0: &a0 [x,x,x,x,x,x,x,x,x]'];
  for (let i = 1; i < 30; i++) bomb.push(`a${i}: &a${i} [${`*a${i - 1},`.repeat(9)}]`);
  assert.match(refusalOf(bomb.join('\n')), /^a\.yaml:2: aliases/);
});

it('lets no key reach a prototype, and no depth the end of the stack', () => {
  for (const text of ['__proto__: { set: x }', '{"a":{"__proto__":{"set":"x"}}}', '"__proto__": 1'])
    assert.match(refusalOf(text), /^a\.yaml:1: __proto__/);
  assert.equal((values('constructor: { prototype: { set: x } }')[0] as Document).set, undefined);
  assert.equal(Object.hasOwn(Object.prototype, 'set'), false);
  assert.match(refusalOf('['.repeat(20_000)), /^a\.yaml/);
  assert.match(refusalOf(`${'{a: '.repeat(5_000)}1${'}'.repeat(5_000)}`), /^a\.yaml/);
});

it('writes what it reads, whatever texts there are', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('yes', 'null', '~', '1e3', '0x1f', '010', '- a', '1:30', '#a', ' x ', 'a\nb\n'),
  );
  const document = fc.record(
    {
      kind: fc.constant('network' as const),
      name: text,
      n: fc.integer(),
      is: fc.boolean(),
      labels: fc.dictionary(
        text.filter((key) => key !== '__proto__'),
        text,
        { noNullPrototype: true },
      ),
      list: fc.array(text),
    },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(document), (documents) => {
      assert.deepEqual(values(textOf(documents)), documents);
    }),
  );
});
