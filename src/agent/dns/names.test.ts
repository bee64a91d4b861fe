import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseIp } from '../../model/address.ts';
import type { Vni } from '../../model/ids.ts';
import { Names } from './names.ts';
import { recordTypes } from './query.ts';
import type { Reply } from './response.ts';
import { reverseNameOf } from './reverse.ts';
import { testNetwork, testPort } from './test-zone.ts';
import { Zone } from './zone.ts';

const { A, AAAA, PTR } = recordTypes;
const domain = 9 as Vni;
const subnet = (cidr: string, gateway: string, routed: boolean) => ({
  cidr,
  gateway: parseIp(gateway),
  ...(routed && { routed }),
});
const dataOf = (reply: Reply | undefined): string[] => (reply?.records ?? []).map((r) => r.data).sort();

/** Network web, and db that a router joins to it by IPv4 alone. */
function webAndDb() {
  const web = new Zone(testNetwork({ name: 'web', domain, subnets: [subnet('10.0.0.0/24', '10.0.0.1', true)] }));
  const subnets = [subnet('10.1.0.0/24', '10.1.0.1', true), subnet('fd00:2::/64', 'fd00:2::1', false)];
  const db = new Zone(testNetwork({ name: 'db', member: false, domain, subnets }));
  web.put(testPort('w1', ['10.0.0.11']));
  db.put(testPort('d1', ['10.1.0.12', 'fd00:2::12'], { dnsNames: ['postgres'] }));
  return { web, db, names: new Names(web, () => [web, db]) };
}

test('a port of a joined network is found below that network’s name, short and whole, and by its routed addresses', () => {
  const { names } = webAndDb();
  for (const name of ['d1.db', 'postgres.db', 'd1.db.acme.heddle.internal']) {
    assert.deepEqual(dataOf(names.answer(name, A)), ['10.1.0.12'], name);
    assert.deepEqual(dataOf(names.answer(name, AAAA)), [], `${name}: its IPv6 subnet is not joined`);
  }
  assert.deepEqual(dataOf(names.answer('12.0.1.10.in-addr.arpa', PTR)), ['d1.db.acme.heddle.internal']);
  assert.equal(names.answer(reverseNameOf(parseIp('fd00:2::12')), PTR), undefined);
});

test('the own network’s names stay what they are', () => {
  const { web, names } = webAndDb();
  assert.deepEqual(dataOf(names.answer('w1', A)), ['10.0.0.11']);
  assert.deepEqual(dataOf(names.answer('w1.web', A)), ['10.0.0.11']);
  assert.deepEqual(dataOf(names.answer('11.0.0.10.in-addr.arpa', PTR)), ['w1.web.acme.heddle.internal']);
  assert.equal(names.answer('d1', A)?.rcode, 'NXDOMAIN', 'alone it would be one of web');
  assert.equal(names.answer('postgres', A)?.rcode, 'NXDOMAIN');
  assert.equal(names.answer('d2.db', A)?.rcode, 'NXDOMAIN', 'it is db’s to know');
  assert.equal(names.answer('example.com', A), undefined);
  web.put(testPort('w2', ['10.0.0.13'], { dnsNames: ['d1.db'] }));
  assert.deepEqual(dataOf(names.answer('d1.db', A)), ['10.0.0.13'], 'a name of an own port comes first');
});

test('of two networks whose names end alike the longer one answers', () => {
  const { web } = webAndDb();
  const inner = new Zone(testNetwork({ name: 'a.web', domain, subnets: [subnet('10.2.0.0/24', '10.2.0.1', true)] }));
  inner.put(testPort('x', ['10.2.0.9']));
  const names = new Names(web, () => [inner]);
  for (const name of ['x.a.web', 'x.a.web.acme.heddle.internal'])
    assert.deepEqual(dataOf(names.answer(name, A)), ['10.2.0.9'], name);
  assert.deepEqual(dataOf(names.answer('w1.web', A)), ['10.0.0.11']);
});

test('without a router another network’s names are asked elsewhere, or are none', () => {
  const { web } = webAndDb();
  const names = new Names(web, () => []);
  assert.equal(names.answer('d1.db', A), undefined);
  assert.equal(names.answer('d1.db.acme.heddle.internal', A)?.rcode, 'NXDOMAIN');
  assert.equal(names.answer('12.0.1.10.in-addr.arpa', PTR), undefined);
});
