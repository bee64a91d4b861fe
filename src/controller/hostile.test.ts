/**
 * Hostile input at every route there is: the list comes from the table of routes, so that a new one is attacked too, and
 * fails here until it has a legal twin. Each attack must be refused with a code of the caller's, write nothing, and leave
 * no mark on the process; then the twin must be taken.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import vm from 'node:vm';
import { errors, type Problem } from '../model/errors.ts';
import { limits } from '../model/fields.ts';
import { type Kind, kinds } from '../model/kinds.ts';
import { DEPTH_MAX } from './json-body.ts';
import { openapiDocument } from './openapi.ts';
import { streamPath } from './paths.ts';
import type { Answer } from './test-api.ts';
import { during } from './test-audit.ts';
import { type Furnished, openTwoTenants } from './test-principals.ts';
import { bodiless, legalBody, legalPath, legalQuery, nameOf, type Route, routes } from './test-routes.ts';

const writes = routes.filter((route) => !['GET', 'DELETE'].includes(route.method));

/** What others than our clients ask, monitors and balancers, is answered whatever they put into the query. */
const open = ['/healthz', '/readyz', '/metrics'];

const marks = JSON.stringify(Object.getOwnPropertyNames(Object.prototype));

let refusals = 0;

/** Refused as the caller's fault, in our form, without anything of it in the headers. */
function assertRefused({ status, headers, body }: Answer, what: string): Problem {
  refusals++;
  assert.ok(status >= 400 && status < 500, `${what}: ${status} ${JSON.stringify(body).slice(0, 300)}`);
  assert.equal(headers['content-type'], 'application/problem+json; charset=utf-8', what);
  assert.equal(errors[(body as Problem).code].family, 'refused', what);
  assert.ok(JSON.stringify(body).length < 2_000, `${what}: a large request has no large answer`);
  assert.ok(!Object.keys(headers).some((name) => /evil/i.test(name)), what);
  assert.equal(JSON.stringify(Object.getOwnPropertyNames(Object.prototype)), marks, what);
  return body;
}
/** The attacks of a list, after which nothing is otherwise than before, and then the twin. */
async function withstood(route: Route, attacks: (api: Furnished) => Promise<void>): Promise<void> {
  await using api = await openTwoTenants();
  const before = await api.store.range('/');
  const counted = refusals;
  const records = await during(api, () => attacks(api));
  assert.deepEqual(await api.store.range('/'), before, 'nothing was written');
  assert.ok(records.every(({ action }) => action === 'refused'));
  if (route.method !== 'GET') assert.equal(records.length, refusals - counted, 'each has its record');
  const query = legalQuery[nameOf(route)];
  const path = `${legalPath(api, route)}${query ? `?${query}` : ''}`;
  const twin = await api.request(route.method, path, legalBody(api, route));
  assert.ok(twin.status < 300, `the legal twin of ${nameOf(route)}: ${JSON.stringify(twin.body)}`);
}

const nested = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth);
const wide = (of: (i: number) => string) => Array.from({ length: 50_000 }, (_, i) => of(i)).join();

/** More fields for a legal body, as text, and the codes that they may be refused with. */
const fields: readonly [what: string, field: string, codes: readonly string[]][] = [
  ['an unknown field', '"colour":"red"', ['INVALID']],
  ['one with a name that objects have', '"toString":"x"', ['INVALID']],
  ['50,000 unknown fields', wide((i) => `"f${i}":1`), ['INVALID']],
  ['50,000 labels', `"labels":{${wide((i) => `"l${i}":"1"`)}}`, ['INVALID']],
  ['50,000 wrong values', `"labels":[${wide((i) => String(i))}]`, ['INVALID']],
  ['objects within objects', `"labels":${nested(60_000, '{"a":', '}').replace('}', '1}')}`, ['BAD_REQUEST']],
  ['arrays within arrays', `"labels":${nested(200_000, '[', ']')}`, ['BAD_REQUEST']],
  ['as many as may be', `"labels":${nested(DEPTH_MAX - 1, '[', ']')}`, ['INVALID']],
  ['one more', `"labels":${nested(DEPTH_MAX, '[', ']')}`, ['BAD_REQUEST']],
  ['a prototype', '"__proto__":{"evil":1}', ['BAD_REQUEST']],
  ['an escaped one', '"\\u005f_proto__":{"evil":1}', ['BAD_REQUEST']],
  ['one of the labels', '"labels":{"__proto__":{"evil":1}}', ['BAD_REQUEST']],
  ['a constructor', '"constructor":{"prototype":{"evil":1}}', ['BAD_REQUEST']],
  ['a number beyond all', '"labels":{"a":1e999}', ['INVALID']],
  ['a number of 100,000 digits', `"labels":{"a":${'9'.repeat(100_000)}}`, ['INVALID']],
  ['half a character', '"labels":{"a":"\\ud800"},"colour":"red"', ['INVALID']],
];
const bodies: readonly [what: string, body: string | Buffer, codes: readonly string[]][] = [
  ['null', 'null', ['INVALID']],
  ['a list', '[]', ['INVALID']],
  ['text', '"text"', ['INVALID']],
  ['a number', '1e999', ['INVALID']],
  ['no JSON', '{name:1}', ['BAD_REQUEST']],
  ['half of it', '{"name":', ['BAD_REQUEST']],
  ['nothing', '', ['BAD_REQUEST']],
  ['white space', ' '.repeat(1000), ['BAD_REQUEST']],
  ['only brackets', '['.repeat(limits.bodyBytes), ['BAD_REQUEST']],
  ['bytes that are no text', Buffer.from([0xff, 0xfe, 0x7b, 0x00]), ['BAD_REQUEST']],
];
/** Names that no object can have, as JSON text. */
const names = [
  'wéb',
  'ｗｅｂ',
  'we\u202eb',
  '\u{1f578}',
  'a\u0000b',
  'a\r\nX-Evil: 1',
  '../it',
  'it/..',
  ' it',
  '',
  'a'.repeat(100_000),
];

describe('A27: bodies', () => {
  for (const route of writes.filter((one) => !bodiless.includes(nameOf(one))))
    it(nameOf(route), () =>
      withstood(route, async (api) => {
        const own = legalBody(api, route);
        assert.ok(own, `${nameOf(route)} is new: give it a legal twin in test-routes.ts`);
        const text = JSON.stringify(own);
        const send = (payload: string | Buffer, type = 'application/json', more: Record<string, string> = {}) =>
          post(api, route, payload, { 'content-type': type, ...more });
        const refused = async (what: string, payload: string | Buffer, codes: readonly string[]) => {
          const { code } = assertRefused(await send(payload), what);
          const isLarge = Buffer.byteLength(payload) > route.bodyLimit;
          assert.ok((isLarge ? ['TOO_LARGE'] : codes).includes(code), `${what}: ${code}`);
        };
        for (const [what, field, codes] of fields) await refused(what, `${text.slice(0, -1)},${field}}`, codes);
        for (const [what, body, codes] of bodies) await refused(what, body, codes);
        for (const name of 'name' in own ? names : [])
          await refused(JSON.stringify(name).slice(0, 40), JSON.stringify({ ...own, name }), ['NAME_INVALID']);
        const large = assertRefused(await send(text.padStart(route.bodyLimit + 1)), 'a body over the limit');
        assert.equal(large.code, 'TOO_LARGE');
        for (const type of ['text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'x'])
          assert.equal(assertRefused(await send(text, type), type).code, 'BAD_REQUEST');
        const packed = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]);
        assertRefused(await send(packed, 'application/json', { 'content-encoding': 'gzip' }), 'a packed body');
      }),
    );
});

/** With headers of its own, and bytes for a body. */
async function post(
  api: Furnished,
  route: Route,
  payload: string | Buffer,
  headers: Record<string, string>,
): Promise<Answer> {
  const { method } = route;
  const response = await api.app.inject({ method, url: legalPath(api, route), payload, headers });
  return { status: response.statusCode, headers: response.headers, body: response.json() };
}

describe('A23: fields that only the system gives', () => {
  for (const kind of Object.keys(kinds) as Kind[]) {
    const route = writes.find(({ method, url }) => method === 'POST' && legalKind(url) === kind)!;
    it(nameOf(route), () =>
      withstood(route, async (api) => {
        const { input, output } = kinds[kind];
        const others = Object.keys(output.properties).filter((field) => !(field in input.properties));
        for (const field of [...others, 'tenant', 'owner', 'admin', 'applied', 'held', 'place']) {
          const answer = await api.request('POST', legalPath(api, route), { ...legalBody(api, route), [field]: 'it' });
          assert.equal(assertRefused(answer, field).code, 'INVALID');
        }
      }),
    );
  }
});
function legalKind(url: string): Kind | undefined {
  return (Object.keys(kinds) as Kind[]).find((kind) => url.endsWith(`/${kinds[kind].plural}`));
}

/** Parts of a path that name nothing; dots alone never come to a server from a client that follows the rules of URLs. */
const parts = [
  ...['..%2fit', '%00', 'it%00', '%0d%0aX-Evil:%201', '%0aX-Evil', 'it%2f', 'it%20', '%20', '%25', '*'],
  ...[
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '-',
    "it'--",
    'it%3b',
    '%5c',
    'IT',
    'w%c3%a9b',
    '%f0%9f%95%b8',
  ],
  ...[
    '%ff',
    '%zz',
    '%',
    '%u0041',
    'x'.repeat(253),
    'x'.repeat(5_000),
    '%2e'.repeat(1_000),
    '01a1fbe3-73c1-7595-93b3-860e40bdeaf6',
  ],
];

describe('A27: paths', () => {
  for (const route of routes.filter(({ url }) => url.includes(':')))
    it(nameOf(route), () =>
      withstood(route, async (api) => {
        for (const parameter of route.url.match(/:\w+/g)!)
          for (const part of parts) {
            const url = legalPath(api, { ...route, url: route.url.replace(parameter, part) });
            const answer = await api.request(route.method, url, legalBody(api, route));
            assertRefused(answer, `${parameter} ${part.slice(0, 60)}`);
          }
      }),
    );
});

const queries = [
  'colour=red',
  '__proto__=x',
  'constructor=x',
  'toString',
  '%00=1',
  'waitMs=-1',
  'waitMs=1e9',
  'waitMs=1&waitMs=2',
];
const listQueries = [
  ...['limit=-1', 'limit=1e999', 'limit=0x10', 'limit=99999999999999999999', 'limit=1&limit=2', 'after=a&after=b'],
  ...['label=a', 'label==b', 'watch=x', 'watch=-1', `watch=${'9'.repeat(400)}`, 'name=a&name=b'],
];

describe('A27: queries', () => {
  for (const route of routes.filter(({ url }) => url !== streamPath && !open.includes(url)))
    it(nameOf(route), () =>
      withstood(route, async (api) => {
        const isList = route.method === 'GET' && /s$/.test(route.url);
        for (const query of [...queries, ...(isList ? listQueries : [])])
          assertRefused(
            await api.request(route.method, `${legalPath(api, route)}?${query}`, legalBody(api, route)),
            query,
          );
      }),
    );
});

describe('A27: headers', () => {
  for (const route of routes.filter(({ method }) => method === 'PATCH' || method === 'DELETE'))
    it(nameOf(route), () =>
      withstood(route, async (api) => {
        for (const tag of ['1', '"x"', '"-1"', `"${'9'.repeat(19)}"`, '"1", "2"', 'W/"', `"${'1'.repeat(10_000)}"`]) {
          const answer = await api.request(route.method, legalPath(api, route), legalBody(api, route), {
            'if-match': tag,
          });
          assertRefused(answer, `If-Match: ${tag.slice(0, 40)}`);
        }
        const strange = { origin: 'http://evil.example' };
        assertRefused(
          await api.request(route.method, legalPath(api, route), legalBody(api, route), strange),
          'an origin',
        );
      }),
    );
});

describe('A27: patterns of the schemas', () => {
  /** Whether it matches, or an error after so many milliseconds: the engine goes back and forth in the text. */
  const matches = (pattern: string, text: string, timeout: number): boolean =>
    vm.runInNewContext('new RegExp(pattern, "u").test(text)', { pattern, text }, { timeout });
  const patterns = new Set(
    [...JSON.stringify(openapiDocument()).matchAll(/"pattern":("(?:[^"\\]|\\.)*")/g)].map(
      (m) => JSON.parse(m[1]!) as string,
    ),
  );
  const pumps = ['a', '0', '_', '-', '.', 'a.', 'a-', '0.', '.a', '1.1.1.', 'a0-', '25', 'tcp/1', ' ', '!', 'é'];

  it('are all found', () => assert.ok(patterns.size > 5, [...patterns].join(' ')));
  it('one that goes back and forth is seen by this test', () => {
    assert.throws(() => matches('^(a+)+$', `${'a'.repeat(60)}!`, 100), { code: 'ERR_SCRIPT_EXECUTION_TIMEOUT' });
  });
  for (const pattern of patterns)
    it(`${pattern} reads 100,000 characters once`, () => {
      for (const pump of pumps)
        for (const end of ['', '!', '-', '.', 'a', '0'])
          matches(pattern, pump.repeat(100_000 / pump.length) + end, 60_000);
    });
});
