import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Answer, decode, encode, type Packet, RECURSION_DESIRED, type RecordType } from 'dns-packet';
import fc from 'fast-check';
import { pino } from 'pino';
import { clientLimits, InFlight } from './limits.ts';
import { Names } from './names.ts';
import { NetworkDns } from './network-dns.ts';
import { testNetwork, testPort } from './test-zone.ts';
import { Zone } from './zone.ts';

/** A network's DNS whose resolvers are a function; the clock stands still unless told otherwise. */
function dnsOf(ports: ReturnType<typeof testPort>[], forward?: () => Promise<never>) {
  const zone = new Zone(testNetwork());
  for (const port of ports) zone.put(port);
  const clock = { now: 0 };
  const dns = new NetworkDns({
    names: new Names(zone, () => []),
    forwarder: { forward: forward ?? (() => Promise.reject(new Error('asked of nobody'))) },
    hostInFlight: new InFlight(clientLimits.forwardedByNetwork, clientLimits.forwardedByHost),
    log: pino({ level: 'silent' }),
    now: () => clock.now,
  });
  return { dns, clock };
}
const opt = (udpPayloadSize: number, ednsVersion = 0): Answer =>
  ({ type: 'OPT', name: '.', udpPayloadSize, ednsVersion, extendedRcode: 0, flags: 0, options: [] }) as never;
const ask = (name: string, type: RecordType, over: Packet = {}): Buffer =>
  encode({ type: 'query', id: 77, flags: RECURSION_DESIRED, questions: [{ name, type }], ...over });
/** An answer that is given at once, also as a real decoder reads it. */
function answered(dns: NetworkDns, message: Buffer, transport: 'udp' | 'tcp' = 'udp') {
  const bytes = dns.answer(message, '10.0.0.9', transport);
  assert.ok(Buffer.isBuffer(bytes), 'an answer at once');
  return { ...decode(bytes), bytes, rcode: bytes.readUInt16BE(2) & 15 };
}
const many = (count: number) =>
  Array.from({ length: count }, (_, i) => testPort(`t${i}`, [`10.0.0.${i + 2}`], { dnsNames: ['Tasks'] }));

test('an answer repeats id, question and RD, is authoritative, and may be kept for five seconds', () => {
  const { dns } = dnsOf([testPort('db', ['10.0.0.7'])]);
  const { rcode, ...answer } = answered(dns, ask('DB.Web', 'A'));
  assert.deepEqual(
    [answer.id, answer.flag_qr, answer.flag_aa, answer.flag_rd, answer.flag_ra, rcode],
    [77, true, true, true, true, 0],
  );
  assert.deepEqual(answer.questions?.[0]?.name, 'DB.Web');
  assert.deepEqual(answer.answers, [
    { name: 'DB.Web', type: 'A', ttl: 5, class: 'IN', flush: false, data: '10.0.0.7' },
  ]);
});

test('absence comes with the zone’s SOA', () => {
  const { dns } = dnsOf([testPort('db', ['10.0.0.7'])]);
  for (const [name, type, rcode, zone] of [
    ['x.web', 'A', 3, 'web'],
    ['db.web', 'AAAA', 0, 'web'],
    ['nobody', 'A', 3, '.'],
    ['x.web.acme.heddle.internal', 'A', 3, 'web.acme.heddle.internal'],
    ['9.0.0.10.in-addr.arpa', 'PTR', 3, '0.0.10.in-addr.arpa'],
  ] as const) {
    const answer = answered(dns, ask(name, type));
    const soa = answer.authorities?.[0] as { name: string; type: string; ttl: number; data: { minimum: number } };
    assert.deepEqual([answer.rcode, answer.answers?.length], [rcode, 0], name);
    assert.deepEqual([soa.name, soa.type, soa.ttl, soa.data.minimum], [zone, 'SOA', 5, 5], name);
  }
});

test('several ports of one name come in changing order', () => {
  const { dns } = dnsOf(many(4));
  const firsts = new Set<unknown>();
  for (let i = 0; i < 200; i++) firsts.add((answered(dns, ask('tasks', 'A')).answers![0] as { data: string }).data);
  assert.equal(firsts.size, 4);
});

test('an answer over UDP has at most 512 bytes, with EDNS 1,232, and says when it is cut; TCP has it all', () => {
  const { dns } = dnsOf(many(200));
  const plain = answered(dns, ask('tasks', 'A'));
  assert.ok(plain.flag_tc && plain.bytes.length <= 512 && plain.answers!.length === 30, `${plain.answers!.length}`);
  const edns = answered(dns, ask('tasks', 'A', { additionals: [opt(4096)] }));
  assert.ok(edns.flag_tc && edns.bytes.length <= 1232 && edns.answers!.length > 70);
  assert.equal((edns.additionals![0] as { udpPayloadSize: number }).udpPayloadSize, 1232);
  assert.equal(answered(dns, ask('tasks', 'A', { additionals: [opt(100)] })).answers!.length, 29, 'no less than 512');
  const tcp = answered(dns, ask('tasks', 'A'), 'tcp');
  assert.deepEqual([tcp.flag_tc, tcp.answers!.length], [false, 200]);
});

test('what is no ordinary question is refused by its own code', () => {
  const { dns } = dnsOf([testPort('db', ['10.0.0.7'])]);
  const rcodeOf = (message: Buffer) => answered(dns, message).rcode;
  assert.equal(rcodeOf(ask('db', 'A', { flags: 2 << 11 })), 4, 'NOTIMP: another opcode');
  assert.equal(rcodeOf(ask('db', 'AXFR')), 5, 'REFUSED: a transfer');
  assert.equal(rcodeOf(encode({ type: 'query', questions: [{ name: 'version.bind', type: 'TXT', class: 'CH' }] })), 5);
  assert.equal(
    rcodeOf(encode({ type: 'query', questions: [1, 2].map(() => ({ name: 'db', type: 'A' as const })) })),
    1,
  );
  assert.equal(rcodeOf(encode({ type: 'query', questions: [] })), 1, 'FORMERR');
  assert.equal(
    rcodeOf(ask('db', 'A', { additionals: [1, 2, 3].map(() => opt(1232)) })),
    1,
    'more than any client sends',
  );
  const version = answered(dns, ask('db', 'A', { additionals: [opt(1232, 1)] }));
  assert.deepEqual(
    [version.rcode, (version.additionals![0] as { extendedRcode: number }).extendedRcode],
    [0, 1],
    'BADVERS',
  );
});

test('responses and scraps get no answer', () => {
  const { dns } = dnsOf([]);
  const response = encode({ type: 'response', id: 1, questions: [{ name: 'db', type: 'A' }] });
  for (const message of [response, Buffer.alloc(0), Buffer.alloc(11), Buffer.from('GET / HTTP/1.0')])
    assert.equal(dns.answer(message, '10.0.0.9', 'udp') === undefined || message.length === 14, true);
  assert.ok(dns.counters.dropped >= 3);
});

test('no message makes it throw, answer more than it may, or answer with another id', () => {
  const { dns, clock } = dnsOf(many(40), () => new Promise<never>(() => undefined));
  const whole = ask('tasks.web', 'A', { additionals: [opt(1232)] });
  const message = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    // A real query with bytes changed, cut off or added.
    fc
      .tuple(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }),
        fc.nat(60),
        fc.uint8Array({ maxLength: 20 }),
      )
      .map(([edits, cut, tail]) => {
        const bytes = Buffer.concat([whole.subarray(0, whole.length - (cut > 40 ? cut - 40 : 0)), tail]);
        for (const [at, byte] of edits) if (at < bytes.length) bytes[at] = byte;
        return bytes;
      }),
  );
  fc.assert(
    fc.property(message, (bytes) => {
      clock.now += 1_000;
      const query = Buffer.from(bytes);
      const answer = dns.answer(query, '10.0.0.9', 'udp');
      if (!Buffer.isBuffer(answer)) return;
      assert.ok(answer.length <= 1232);
      assert.equal(answer.readUInt16BE(0), query.readUInt16BE(0));
      decode(answer);
    }),
    { numRuns: 3_000 },
  );
});

test('a client that asks too much is not answered, and another one is; it is again a moment later', () => {
  const { dns, clock } = dnsOf([testPort('db', ['10.0.0.7'])]);
  const from = (client: string) => dns.answer(ask('db', 'A'), client, 'udp') !== undefined;
  for (let i = 0; i < clientLimits.burst; i++) assert.ok(from('10.0.0.2'));
  assert.ok(!from('10.0.0.2'));
  assert.ok(from('10.0.0.3'));
  clock.now += 10;
  assert.deepEqual(
    Array.from({ length: 6 }, () => from('10.0.0.2')),
    [true, true, true, true, true, false],
  );
});

test('a client that waits for many answers gets SERVFAIL for more, and another one is forwarded', async () => {
  const waiting: (() => void)[] = [];
  const { dns } = dnsOf([], () => new Promise((_, reject) => waiting.push(() => reject(new Error('ended')))));
  const from = async (client: string) => {
    const answer = await dns.answer(ask('example.com', 'A'), client, 'udp');
    return answer!.readUInt16BE(2) & 15;
  };
  const first = Array.from({ length: clientLimits.forwardedByClient }, () => from('10.0.0.2'));
  assert.equal(await from('10.0.0.2'), 2);
  const other = from('10.0.0.3');
  assert.deepEqual([dns.counters.refused, waiting.length], [1, clientLimits.forwardedByClient + 1]);
  for (const end of waiting) end();
  assert.deepEqual(new Set(await Promise.all([...first, other])), new Set([2]), 'a fault of ours is SERVFAIL');
  const again = from('10.0.0.2');
  waiting.at(-1)!();
  assert.deepEqual([await again, dns.counters.refused], [2, 1], 'there is room again');
});
