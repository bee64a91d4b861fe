import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Ip, parsePrefix } from '../../model/address.ts';
import { answer6, serverDuid } from './answer6.ts';
import { type Association, option6, type Reply6, type Request6, status6, type Type6 } from './message6.ts';
import type { Settings6 } from './settings.ts';

const ip = (text: string): Ip => text as Ip;
const settings: Settings6 = {
  addresses: [
    { ip: ip('fd00:1::7'), seconds: 600 },
    { ip: ip('fd00:2::7'), seconds: 900 },
  ],
  isManaged: true,
  prefixes: ['fd00:1::/64', 'fd00:2::/64'].map((cidr) => ({ ...parsePrefix(cidr), isMade: false })),
  mtuBytes: 1450,
  dns: [ip('fd00:1::1')],
  domain: 'web.acme.heddle.internal',
};
const client = Uint8Array.of(0, 3, 0, 1, 2, 0, 0, 0, 0, 7);
const wish = (...addresses: string[]): Association => ({ kind: 'addresses', iaid: 5, addresses: addresses.map(ip) });
const request = (type: Type6, over: Partial<Request6> = {}): Request6 => ({
  type,
  transaction: 0x123456,
  client,
  rapidCommit: false,
  wanted: new Set(),
  associations: [wish()],
  ...over,
});
const server = { server: serverDuid };
const reply = (r: Request6): Reply6 => {
  const answer = answer6(r, settings);
  assert.ok(typeof answer !== 'string', String(answer));
  return answer;
};
const all = ['fd00:1::7 600', 'fd00:2::7 900'];
const given = (r: Reply6, n = 0) => r.given[n]!.addresses.map((a) => `${a.ip} ${a.seconds}`);

test('a solicit is advertised all addresses of the port, and given them at once if it asks for that', () => {
  const advertise = reply(request('solicit'));
  assert.deepEqual([advertise.type, given(advertise)], ['advertise', all]);
  const quick = reply(request('solicit', { rapidCommit: true }));
  assert.deepEqual([quick.type, quick.rapidCommit, given(quick)], ['reply', true, all]);
});

test('request, renew and rebind give them, and end what the client names besides', () => {
  for (const [type, named] of [
    ['request', server],
    ['renew', server],
    ['rebind', {}],
  ] as const) {
    const r = reply(request(type, { ...named, associations: [wish('fd00:1::7', 'fd00:1::99')] }));
    assert.deepEqual([r.type, given(r)], ['reply', [...all, 'fd00:1::99 0']], type);
  }
});

test('prefixes, temporary addresses and a second set of addresses are not to be had', () => {
  const associations: Association[] = [
    { kind: 'prefixes', iaid: 1, addresses: [] },
    { kind: 'temporary', iaid: 2, addresses: [] },
    wish(),
    { ...wish('fd00:1::7'), iaid: 6 },
  ];
  const r = reply(request('request', { ...server, associations }));
  assert.deepEqual(
    r.given.map((g) => g.status),
    [status6.noPrefix, status6.noAddresses, undefined, status6.noAddresses],
  );
  assert.deepEqual([given(r, 2), given(r, 3)], [all, ['fd00:1::7 0']]);
});

test('a request for addresses of another link is told so, and gets none; who renews prefixes never had any', () => {
  const r = reply(request('request', { ...server, associations: [wish('fd00:1::7', 'fd00:9::7')] }));
  assert.deepEqual([given(r), r.given[0]!.status], [[], status6.notOnLink]);
  const prefixes: Association = { kind: 'prefixes', iaid: 1, addresses: [] };
  const renewed = reply(request('renew', { ...server, associations: [wish('fd00:9::7'), prefixes] }));
  assert.deepEqual([given(renewed), renewed.given[1]!.status], [[...all, 'fd00:9::7 0'], status6.noBinding]);
});

test('confirm says whether the addresses are the port’s', () => {
  const confirm = (...addresses: string[]) =>
    answer6(request('confirm', { associations: [wish(...addresses)] }), settings);
  assert.equal((confirm('fd00:1::7', 'fd00:2::7') as Reply6).status, status6.success);
  assert.equal((confirm('fd00:1::7', 'fd00:1::8') as Reply6).status, status6.notOnLink);
  assert.equal(confirm(), 'malformed');
});

test('who asks for information only is told servers and domain, and what it boots if it wants to know', () => {
  const { client: _, ...anonymous } = request('information-request', { associations: [] });
  const r = reply(anonymous);
  assert.deepEqual([r.type, r.given, r.options.map(([code]) => code)], ['reply', [], [option6.dns, option6.search]]);
  const boots = { ...settings, bootFile: 'http://boot.example/x' };
  const wanted = answer6({ ...anonymous, wanted: new Set([option6.bootFile]) }, boots) as Reply6;
  assert.equal(Buffer.from(wanted.options.at(-1)![1]).toString(), boots.bootFile);
});

test('what needs no answer gets none, and says why', () => {
  const other = { server: Uint8Array.of(0, 3, 0, 1, 2, 0, 0, 0, 0, 9) };
  const { client: _, ...anonymous } = request('solicit');
  const cases: [Request6, string][] = [
    [request('request', other), 'other_server'],
    [request('information-request', { ...other, associations: [] }), 'other_server'],
    [request('request'), 'malformed'],
    [request('renew'), 'malformed'],
    [request('solicit', server), 'malformed'],
    [request('rebind', server), 'malformed'],
    [request('information-request'), 'malformed'],
    [anonymous, 'malformed'],
    [request('advertise', server), 'malformed'],
    [request('reply', server), 'malformed'],
    [request('relay-forward'), 'relayed'],
  ];
  for (const [r, why] of cases) assert.equal(answer6(r, settings), why, r.type);
  assert.equal(answer6(request('solicit'), undefined), 'no_address');
  for (const type of ['release', 'decline'] as const)
    assert.equal(reply(request(type, server)).status, status6.success, type);
});
