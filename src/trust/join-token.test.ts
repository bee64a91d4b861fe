import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../model/errors.ts';
import { JOIN_TOKEN_CHARS, joinTokenText, parseJoinToken } from './join-token.ts';
import { digestOf, isSecretOf, newSecret } from './secret.ts';

const id = fc.uint8Array({ minLength: 6, maxLength: 6 }).map((bytes) => Buffer.from(bytes).toString('hex'));
const secret = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => newSecret(() => bytes));
const token = fc.record({ id, secret, pin: secret }, { noNullPrototype: true });

it('every token is the same after it was written and read', () => {
  fc.assert(
    fc.property(token, (parts) => {
      const text = joinTokenText(parts);
      assert.equal(text.length, JOIN_TOKEN_CHARS);
      assert.deepEqual(parseJoinToken(text), parts);
    }),
  );
});

it('A30: there is one way to write a token: with another character it is another one, or none', () => {
  const alphabet = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'];
  fc.assert(
    fc.property(token, fc.nat(JOIN_TOKEN_CHARS - 1), fc.constantFrom(...alphabet), (parts, at, character) => {
      const text = joinTokenText(parts);
      fc.pre(text[at] !== character);
      const other = text.slice(0, at) + character + text.slice(at + 1);
      try {
        assert.equal(joinTokenText(parseJoinToken(other)), other);
        assert.notDeepEqual(parseJoinToken(other), parts);
      } catch (e) {
        assert.ok(hasCode(e, 'TOKEN_INVALID'), String(e));
      }
    }),
    { numRuns: 1000 },
  );
});

it('A30: what is no whole token is refused, and nothing of it is said', () => {
  fc.assert(
    fc.property(token, fc.nat(JOIN_TOKEN_CHARS - 1), fc.string({ minLength: 1 }), (parts, at, more) => {
      const text = joinTokenText(parts);
      for (const wrong of [text.slice(0, at), text + more, ` ${text}`, text.toUpperCase(), text.replace('hdj', 'hdt')])
        assert.throws(
          () => parseJoinToken(wrong),
          (e) =>
            hasCode(e, 'TOKEN_INVALID') &&
            !e.message.includes(parts.secret) &&
            !JSON.stringify(e.details).includes(parts.secret),
        );
    }),
  );
});

it('A30: a secret is known by its digest, and no other is', () => {
  fc.assert(
    fc.property(secret, secret, (one, other) => {
      assert.ok(isSecretOf(one, digestOf(one)));
      assert.equal(isSecretOf(other, digestOf(one)), one === other);
    }),
  );
  assert.ok(!isSecretOf('', digestOf('a')) && !isSecretOf('a', ''));
  assert.notEqual(newSecret(), newSecret());
});
