import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ip, Mac } from '../../model/address.ts';
import { parsePrefix } from '../../model/address.ts';
import { addressee, answer4, sizeMax4 } from './answer4.ts';
import { encodeReply4, option4, parseRequest4, type Reply4, type Request4, type Type4 } from './message4.ts';
import type { Settings4 } from './settings.ts';

const ip = (text: string): Ip => text as Ip;
const settings: Settings4 = {
  address: ip('10.0.0.7'),
  isGiven: true,
  prefix: parsePrefix('10.0.0.0/24'),
  gateway: ip('10.0.0.1'),
  mtuBytes: 1450,
  dns: [ip('10.0.0.1')],
  domain: 'web.acme.heddle.internal',
  hostName: 'vm1',
  leaseSeconds: 600,
  routes: [],
};
const bytesOf = (text: string): Uint8Array => Uint8Array.from(text.split('.'), Number);
const request = (type: Type4, options: [number, Uint8Array][] = [], over: Partial<Request4> = {}): Request4 => ({
  type,
  xid: 7,
  broadcast: false,
  ciaddr: ip('0.0.0.0'),
  giaddr: ip('0.0.0.0'),
  mac: '02:00:00:00:00:07' as Mac,
  options: new Map(options),
  ...over,
});
const asked = (address: string): [number, Uint8Array] => [option4.requestedAddress, bytesOf(address)];
const server = (address: string): [number, Uint8Array] => [option4.server, bytesOf(address)];
const reply = (r: Request4, s: Settings4 = settings): Reply4 => {
  const answer = answer4(r, s);
  assert.ok(typeof answer !== 'string', String(answer));
  return answer;
};
const value = ({ options }: Reply4, code: number): number[] | undefined => {
  const found = options.find(([c]) => c === code)?.[1];
  return found && [...Uint8Array.from(found)];
};

test('a discover is offered the port’s address, with all that the client needs', () => {
  const offer = reply(request('discover'));
  assert.deepEqual([offer.type, offer.yiaddr, addressee(offer)], ['offer', '10.0.0.7', '10.0.0.7']);
  const want: [number, number[]][] = [
    [option4.server, [10, 0, 0, 1]],
    [option4.mask, [255, 255, 255, 0]],
    [option4.router, [10, 0, 0, 1]],
    [option4.dns, [10, 0, 0, 1]],
    [option4.mtu, [5, 170]],
    [option4.leaseSeconds, [0, 0, 2, 88]],
    [option4.renewSeconds, [0, 0, 1, 44]],
    [option4.rebindSeconds, [0, 0, 2, 13]],
    [option4.domain, [...Buffer.from('web.acme.heddle.internal')]],
    [option4.hostName, [...Buffer.from('vm1')]],
  ];
  for (const [code, bytes] of want) assert.deepEqual(value(offer, code), bytes, `option ${code}`);
});

test('who asks for a rapid commit is given the address at once, and told so by the option that has no value', () => {
  const ack = reply(request('discover', [[option4.rapidCommit, new Uint8Array()]]));
  assert.deepEqual([ack.type, ack.yiaddr], ['ack', '10.0.0.7']);
  const bytes = encodeReply4(ack, 548);
  assert.equal(parseRequest4(bytes.fill(1, 0, 1))?.options.get(option4.rapidCommit)?.length, 0);
  assert.ok(Buffer.from(bytes).includes(Uint8Array.of(option4.rapidCommit, 0, option4.mask, 4)));
  const offer = encodeReply4(reply(request('discover')), 548);
  assert.equal(parseRequest4(offer.fill(1, 0, 1))?.options.has(option4.rapidCommit), false);
});

test('an option that has nothing to say is not sent', () => {
  const codes = reply(request('discover'), { ...settings, dns: [] }).options.map(([code]) => code);
  assert.deepEqual([codes.includes(option4.routes), codes.includes(option4.dns)], [false, false]);
});

test('a request for the port’s own address is acknowledged in every state, and for another one refused', () => {
  const own = { ciaddr: ip('10.0.0.7') };
  const foreign = { ciaddr: ip('10.0.0.8') };
  const states: [string, Request4, Request4][] = [
    [
      'selecting',
      request('request', [asked('10.0.0.7'), server('10.0.0.1')]),
      request('request', [asked('10.0.0.8'), server('10.0.0.1')]),
    ],
    ['rebooting', request('request', [asked('10.0.0.7')]), request('request', [asked('192.0.2.9')])],
    ['renewing', request('request', [], own), request('request', [], foreign)],
  ];
  for (const [state, good, bad] of states) {
    assert.equal(reply(good).type, 'ack', state);
    const nak = reply(bad);
    assert.deepEqual([nak.type, nak.yiaddr, addressee(nak)], ['nak', undefined, '255.255.255.255'], state);
  }
});

test('what needs no answer gets none, and says why', () => {
  const cases: [Request4, string][] = [
    [request('request', [asked('10.0.0.7'), server('10.0.0.2')]), 'other_server'],
    [request('request'), 'malformed'],
    [request('decline', [asked('10.0.0.7')]), 'declined'],
    [request('release', [], { ciaddr: ip('10.0.0.7') }), 'released'],
    [request('inform', [], { ciaddr: ip('10.0.0.8') }), 'malformed'],
    [request('offer'), 'malformed'],
    [request('discover', [], { giaddr: ip('10.0.0.9') }), 'relayed'],
  ];
  for (const [r, why] of cases) assert.equal(answer4(r, settings), why, r.type);
  assert.equal(answer4(request('discover'), undefined), 'no_address');
});

test('who has an address already is told all but address and times', () => {
  const ack = reply(request('inform', [], { ciaddr: ip('10.0.0.7') }));
  assert.deepEqual([ack.type, ack.yiaddr, addressee(ack)], ['ack', undefined, '10.0.0.7']);
  assert.deepEqual(value(ack, option4.router), [10, 0, 0, 1]);
  for (const code of [option4.leaseSeconds, option4.renewSeconds]) assert.equal(value(ack, code), undefined);
});

test('where DHCP is off nobody is given an address, and who has one is told the rest as over IPv6', () => {
  const off: Settings4 = { ...settings, isGiven: false };
  for (const r of [
    request('discover'),
    request('request', [asked('10.0.0.7')]),
    request('request', [asked('10.0.0.8')]),
  ])
    assert.equal(answer4(r, off), 'no_address');
  const ack = reply(request('inform', [], { ciaddr: ip('10.0.0.7') }), off);
  assert.deepEqual([ack.type, value(ack, option4.dns)], ['ack', [10, 0, 0, 1]]);
});

test('routes come with the default one among them, and where it boots from in fields and options', () => {
  const more: Settings4 = {
    ...settings,
    routes: [{ to: parsePrefix('10.99.0.0/17'), via: ip('10.0.0.9') }],
    bootServer: '192.0.2.5',
    bootFile: 'pxe.0',
  };
  const offer = reply(request('discover'), more);
  assert.deepEqual(value(offer, option4.routes), [17, 10, 99, 0, 10, 0, 0, 9, 0, 10, 0, 0, 1]);
  assert.deepEqual([offer.siaddr, offer.file], ['192.0.2.5', 'pxe.0']);
  assert.deepEqual(value(offer, option4.bootServer), [...Buffer.from('192.0.2.5')]);
  for (const bootServer of ['boot.example', '10.0.0.300', '1.2.3.4.5', '1.2.3', '.', '0177.0.0.1']) {
    const named = reply(request('discover'), { ...more, bootServer });
    assert.equal(named.siaddr, undefined, bootServer);
    encodeReply4(named, 548);
  }
  const few = request('discover', [[option4.wanted, Uint8Array.of(option4.mask)]]);
  for (const code of [option4.routes, option4.bootFile, option4.hostName])
    assert.equal(value(reply(few, more), code), undefined);
  const old = request('discover', [[option4.wanted, Uint8Array.of(option4.routesMicrosoft)]]);
  assert.equal(value(reply(old, more), option4.routesMicrosoft)?.length, 13);
});

test('a client’s own number goes back, also with a refusal', () => {
  const client: [number, Uint8Array] = [option4.client, Uint8Array.of(1, 2, 3)];
  for (const r of [request('discover', [client]), request('request', [client, asked('10.0.0.8')])])
    assert.deepEqual(value(reply(r), option4.client), [1, 2, 3]);
});

test('the answer is no larger than the client takes; what matters least is left out', () => {
  const routes = Array.from({ length: 16 }, (_, i) => ({
    to: parsePrefix(`10.${100 + i}.0.128/25`),
    via: ip('10.0.0.9'),
  }));
  const long: Settings4 = { ...settings, routes, hostName: 'h'.repeat(63), domain: 'd'.repeat(63) };
  const r = request('discover', [[option4.client, new Uint8Array(19)]]);
  const size = sizeMax4(r, 1450);
  assert.equal(size, 548);
  const small = encodeReply4(reply(r, long), size);
  assert.ok(small.length <= size);
  const told = parseRequest4(Uint8Array.from(small).fill(1, 0, 1))!;
  assert.equal(told.options.get(option4.routes)?.length, 16 * 9 + 5);
  assert.equal(told.options.get(option4.search), undefined);
  const roomy = request('discover', [[option4.maxSize, Uint8Array.of(0xff, 0xff)]]);
  assert.equal(sizeMax4(roomy, 1450), 1422);
  assert.ok(encodeReply4(reply(roomy, long), 1422).length > 548);
});
