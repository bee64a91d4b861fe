import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { recordTypes } from './query.ts';
import type { Reply } from './response.ts';
import { testNetwork, testPort } from './test-zone.ts';
import { Zone } from './zone.ts';

const { A, AAAA, PTR, SOA, NS, DS } = recordTypes;
const TXT = 16;
const ANY = 255;

function zoneWith(...ports: ReturnType<typeof testPort>[]): Zone {
  const zone = new Zone(testNetwork());
  for (const port of ports) zone.put(port);
  return zone;
}
const db = testPort('Db', ['10.0.0.7', 'fd00:1::7'], { dnsNames: ['postgres', 'api.example.com'] });
const dataOf = (reply: Reply | undefined): string[] => (reply?.records ?? []).map((r) => r.data).sort();

test('a port is found by its name and its DNS names, alone, below the network’s name and below the whole one', () => {
  const zone = zoneWith(db);
  for (const name of ['db', 'db.web', 'db.web.acme.heddle.internal', 'postgres', 'postgres.web', 'api.example.com']) {
    assert.deepEqual(dataOf(zone.answer(name, A)), ['10.0.0.7'], name);
    assert.deepEqual(dataOf(zone.answer(name, AAAA)), ['fd00:1::7'], name);
  }
});

test('a name of several ports has the addresses of all, and of the rest when one goes', () => {
  const ports = [1, 2, 3].map((n) => testPort(`t${n}`, [`10.0.0.${n + 10}`], { dnsNames: ['tasks'] }));
  const zone = zoneWith(...ports);
  assert.deepEqual(dataOf(zone.answer('tasks.web', A)), ['10.0.0.11', '10.0.0.12', '10.0.0.13']);
  zone.remove(ports[1]!.id);
  assert.deepEqual(dataOf(zone.answer('tasks', A)), ['10.0.0.11', '10.0.0.13']);
  assert.equal(zone.answer('t2', A)?.rcode, 'NXDOMAIN');
});

test('a type that a name does not have is no error, and says for how long', () => {
  const zone = zoneWith(db);
  for (const type of [TXT, ANY, PTR, NS])
    assert.deepEqual(zone.answer('db.web', type), { rcode: 'NOERROR', records: [], zone: 'web' });
});

test('a name without a dot that the network does not have is answered, and asked of nobody', () => {
  const zone = zoneWith(db);
  assert.deepEqual(zone.answer('payroll', A), { rcode: 'NXDOMAIN', zone: '' });
  assert.deepEqual(zone.answer('payroll', TXT), { rcode: 'NXDOMAIN', zone: '' });
});

test('names below the network’s and below heddle.internal are never asked elsewhere', () => {
  const zone = zoneWith(db);
  const replies = [
    'x.web',
    'a.b.web',
    'x.web.acme.heddle.internal',
    'db.web.other.heddle.internal',
    'x.heddle.internal',
  ];
  for (const name of replies) assert.equal(zone.answer(name, A)?.rcode, 'NXDOMAIN', name);
  for (const name of ['web.acme.heddle.internal', 'acme.heddle.internal', 'heddle.internal', 'web'])
    assert.deepEqual(zone.answer(name, A)?.rcode, 'NOERROR', name);
  assert.deepEqual(dataOf(zone.answer('web.acme.heddle.internal', SOA)), ['web.acme.heddle.internal']);
});

test('what is not ours is asked elsewhere: outside names, other networks’ reverse names, the top-level domains’ keys', () => {
  const zone = zoneWith(db);
  for (const name of ['example.com', 'xweb.org', 'fooheddle.internal', '', '7.0.8.10.in-addr.arpa', '10.in-addr.arpa'])
    assert.equal(zone.answer(name, A), undefined, name);
  assert.equal(zone.answer('com', DS), undefined);
  assert.equal(zone.answer('com', NS), undefined);
});

test('a reverse name within a prefix has the port’s whole name, or is not there', () => {
  const zone = zoneWith(db);
  assert.deepEqual(dataOf(zone.answer('7.0.0.10.in-addr.arpa', PTR)), ['db.web.acme.heddle.internal']);
  const six = `7.${'0.'.repeat(23)}1.0.0.0.0.0.d.f.ip6.arpa`;
  assert.deepEqual(dataOf(zone.answer(six, PTR)), ['db.web.acme.heddle.internal']);
  assert.deepEqual(zone.answer('8.0.0.10.in-addr.arpa', PTR), { rcode: 'NXDOMAIN', zone: '0.0.10.in-addr.arpa' });
  assert.deepEqual(zone.answer('7.0.0.10.in-addr.arpa', A), {
    rcode: 'NOERROR',
    records: [],
    zone: '0.0.10.in-addr.arpa',
  });
  assert.deepEqual(zone.answer('0.0.10.in-addr.arpa', NS), { rcode: 'NOERROR', zone: '0.0.10.in-addr.arpa' });
});

test('a prefix that ends within an octet keeps its own half of the reverse names', () => {
  const zone = new Zone(testNetwork({ subnets: [{ cidr: '10.0.0.0/25' }, { cidr: '10.1.16.0/20' }] }));
  assert.equal(zone.answer('127.0.0.10.in-addr.arpa', PTR)?.rcode, 'NXDOMAIN');
  assert.equal(zone.answer('128.0.0.10.in-addr.arpa', PTR), undefined);
  assert.equal(zone.answer('0.0.10.in-addr.arpa', NS), undefined);
  assert.deepEqual(zone.answer('1.31.1.10.in-addr.arpa', PTR), { rcode: 'NXDOMAIN', zone: '31.1.10.in-addr.arpa' });
});

test('a port whose name cannot stand in a record is found by its address under another of its names', () => {
  const zone = zoneWith(testPort('a..b', ['10.0.0.9'], { dnsNames: ['good'] }), testPort('c..d', ['10.0.0.10']));
  assert.deepEqual(dataOf(zone.answer('9.0.0.10.in-addr.arpa', PTR)), ['good.web.acme.heddle.internal']);
  assert.deepEqual(zone.answer('10.0.0.10.in-addr.arpa', PTR)?.records, []);
});

test('A25: two networks of the same names and addresses know nothing of each other', () => {
  const [mine, theirs] = [zoneWith(testPort('db', ['10.0.0.7'])), new Zone(testNetwork({ tenant: 'other' }))];
  const taken = ['db.web.acme.heddle.internal', 'db.web', '7.0.0.10.in-addr.arpa'];
  theirs.put(testPort('db', ['10.0.0.8']));
  theirs.put(testPort('taker', ['10.0.0.9'], { dnsNames: taken }));
  for (const name of taken.slice(0, 2)) assert.deepEqual(dataOf(mine.answer(name, A)), ['10.0.0.7'], name);
  assert.deepEqual(dataOf(mine.answer('7.0.0.10.in-addr.arpa', PTR)), ['db.web.acme.heddle.internal']);
  assert.deepEqual([dataOf(mine.answer('db', A)), dataOf(theirs.answer('db', A))], [['10.0.0.7'], ['10.0.0.8']]);
  assert.equal(theirs.answer('db.web.acme.heddle.internal', A)?.rcode, 'NXDOMAIN');
  assert.equal(theirs.answer('7.0.0.10.in-addr.arpa', PTR)?.rcode, 'NXDOMAIN');
});

test('after any edits a zone answers as one that was made of what is left', () => {
  const names = ['a', 'b', 'c', 'd.e'];
  const edit = fc.record({
    port: fc.integer({ min: 0, max: 5 }),
    name: fc.constantFrom(...names),
    dnsNames: fc.subarray(names),
    address: fc.integer({ min: 2, max: 6 }),
    remove: fc.boolean(),
  });
  const ids = Array.from({ length: 6 }, () => testPort('x', []).id);
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 30 }), (edits) => {
      const zone = new Zone(testNetwork());
      const left = new Map<string, ReturnType<typeof testPort>>();
      for (const { port, name, dnsNames, address, remove } of edits) {
        const id = ids[port]!;
        // Two ports never have one address at a time: the store's claims see to it.
        const taken = [...left.values()].some((p) => p.id !== id && p.addresses[0] === `10.0.0.${address}`);
        left.delete(id);
        if (remove || taken) zone.remove(id);
        else {
          const made = testPort(name, [`10.0.0.${address}`], { id, dnsNames });
          zone.put(made);
          left.set(id, made);
        }
      }
      const fresh = new Zone(testNetwork());
      for (const port of left.values()) fresh.put(port);
      for (const name of [...names, ...names.map((n) => `${n}.web`)])
        assert.deepEqual(dataOf(zone.answer(name, A)), dataOf(fresh.answer(name, A)));
      for (let n = 2; n <= 6; n++) {
        const reverse = `${n}.0.0.10.in-addr.arpa`;
        assert.deepEqual(zone.answer(reverse, PTR), fresh.answer(reverse, PTR));
      }
    }),
    { numRuns: 100 },
  );
});
