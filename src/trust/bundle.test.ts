import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { it } from 'node:test';
import fc from 'fast-check';
import { hasCode } from '../model/errors.ts';
import { makeAuthority } from './authority-certificate.ts';
import { BUNDLE_MAX, bundleText, parseBundle, pinned, pinOf } from './bundle.ts';
import { hostCertificate } from './test-hosts.ts';

const authorities = await Promise.all([1, 2, 3, 4].map(() => makeAuthority(new Date())));
const pems = authorities.map(({ certificate }) => certificate);
const [first = '', second = ''] = pems;

it('any list of certificates is the same after it was written and read', () => {
  const list = fc.uniqueArray(fc.constantFrom(...pems), { minLength: 1 });
  fc.assert(
    fc.property(list, (some) => {
      const text = bundleText(some.map((pem) => new X509Certificate(pem)));
      assert.deepEqual(parseBundle(text).map(String), some.map((pem) => new X509Certificate(pem)).map(String));
      assert.equal(bundleText(parseBundle(text)), text);
    }),
  );
});

it('line ends of any sort and words around it change nothing', () => {
  const words = fc.string().filter((text) => !text.includes('-'));
  fc.assert(
    fc.property(words, words, fc.constantFrom('\n', '\r\n'), (before, after, end) => {
      const text = before + end + first.replaceAll('\n', end) + after;
      assert.equal(bundleText(parseBundle(text)), first);
    }),
  );
});

it('no text makes it fail otherwise than as refused', () => {
  const pieces = fc.array(
    fc.oneof(
      fc.string(),
      fc.constantFrom(
        first,
        first.slice(0, 300),
        first.slice(300),
        '-----BEGIN CERTIFICATE-----',
        '-----END CERTIFICATE-----',
      ),
    ),
  );
  fc.assert(
    fc.property(pieces, (some) => {
      try {
        assert.ok(parseBundle(some.join('')).length > 0);
      } catch (e) {
        assert.ok(hasCode(e, 'INVALID') && e.details.field === 'ca', String(e));
      }
    }),
  );
});

it('nothing, half of one and too many are refused', () => {
  const refused = [
    '',
    'words',
    first.slice(0, 200),
    first + second.slice(0, 200),
    first.repeat(BUNDLE_MAX + 1),
    first.replace('MII', 'AAA'),
  ];
  for (const text of refused)
    assert.throws(
      () => parseBundle(text),
      (e) => hasCode(e, 'INVALID'),
      text.slice(-40),
    );
  assert.equal(parseBundle(first.repeat(BUNDLE_MAX)).length, BUNDLE_MAX);
});

it('A30: a pin is of one authority, and finds it', async () => {
  const pins = pems.map((pem) => pinOf(new X509Certificate(pem)));
  assert.equal(new Set(pins).size, pems.length);
  for (const pin of pins) assert.match(pin, /^[A-Za-z0-9_-]{43}$/);
  assert.equal(pinned(first + second, pins[1]!), second);
  assert.throws(
    () => pinned(first, pins[1]!),
    (e) => hasCode(e, 'CA_MISMATCH'),
  );
});

it('a certificate that is no authority’s is none, although its pin is asked for', async () => {
  const { certificate } = await hostCertificate(authorities[0]!);
  assert.throws(
    () => pinned(certificate, pinOf(new X509Certificate(certificate))),
    (e) => hasCode(e, 'CA_MISMATCH'),
  );
});
