import assert from 'node:assert/strict';
import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type TestContext, test } from 'node:test';
import { type Answer, type DecodedPacket, decode, encode, type Packet, TRUNCATED_RESPONSE } from 'dns-packet';
import { Forwarder } from './forward.ts';
import { framed } from './frames.ts';
import { parseQuery, type Query } from './query.ts';

type Serve = (query: DecodedPacket, from: RemoteInfo) => readonly Buffer[];

/** A resolver on loopback that answers as told; with `tcp`, on TCP too, on the same port. */
async function fakeResolver(t: TestContext, serve: Serve, tcp?: (query: DecodedPacket) => Buffer) {
  const udp = createSocket('udp4');
  udp.on('message', (message, from) => {
    for (const answer of serve(decode(message), from)) udp.send(answer, from.port, from.address);
  });
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  t.after(() => udp.close());
  const { port } = udp.address();
  if (tcp) {
    const server = createServer((socket) =>
      socket.on('data', (part: unknown) => socket.end(framed(tcp(decode((part as Buffer).subarray(2)))))),
    );
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => server.close());
  }
  return { address: '127.0.0.1', port };
}
const respond = (query: DecodedPacket, over: Packet = {}): Buffer =>
  encode({ type: 'response', id: query.id!, questions: query.questions!, ...over });
const a = (name: string, data: string): Answer => ({ type: 'A', name, ttl: 60, data });
const rcode = (code: number): Packet => ({ flags: code });

function queryFor(name: string, over: Packet = {}): Query {
  const query = parseQuery(encode({ type: 'query', id: 4242, questions: [{ name, type: 'A' }], ...over }));
  assert.ok(query && !('malformed' in query));
  return query;
}
const edns = (udpPayloadSize: number): Packet => ({
  additionals: [{ type: 'OPT', name: '.', udpPayloadSize, flags: 0x8000, options: [] } as never],
});
const dataOf = (response: Buffer): unknown[] => (decode(response).answers ?? []).map((r) => 'data' in r && r.data);
const forwarder = (...servers: { address: string; port: number }[]) =>
  new Forwarder({ resolvers: { servers }, timeoutMs: 200 });

test('an answer comes back under the client’s id and with the client’s letters', async (t) => {
  const asked: DecodedPacket[] = [];
  const server = await fakeResolver(t, (q) => {
    asked.push(q);
    const lower = q.questions!.map((question) => ({ ...question, name: question.name.toLowerCase() }));
    return [respond(q, { questions: lower, answers: [a('example.com', '192.0.2.1')] })];
  });
  const { response, server: by } = await forwarder(server).forward(queryFor('ExAmple.com'), 'udp');
  const { id, questions, flag_ra } = decode(response);
  assert.deepEqual([id, questions![0]!.name, flag_ra, dataOf(response)], [4242, 'ExAmple.com', true, ['192.0.2.1']]);
  assert.deepEqual([by, asked.length, asked[0]!.flag_rd], [server, 1, true]);
});

test('ids and source ports differ from query to query', async (t) => {
  const seen = { ids: new Set<number>(), ports: new Set<number>() };
  const server = await fakeResolver(t, (q, from) => {
    seen.ids.add(q.id!);
    seen.ports.add(from.port);
    return [respond(q)];
  });
  const forward = forwarder(server);
  for (let i = 0; i < 20; i++) await forward.forward(queryFor('example.com'), 'udp');
  assert.ok(seen.ids.size > 17 && seen.ports.size > 17, `${seen.ids.size} ids, ${seen.ports.size} ports`);
});

test('answers with another id, to another question, without the response bit, and scraps are not heeded', async (t) => {
  const server = await fakeResolver(t, (q) => [
    respond({ ...q, id: q.id! ^ 1 }, { answers: [a('example.com', '192.0.2.66')] }),
    respond(q, { questions: [{ name: 'example.org', type: 'A' }], answers: [a('example.org', '192.0.2.66')] }),
    encode({ type: 'query', id: q.id!, questions: q.questions! }),
    Buffer.from('x'),
    respond(q, { answers: [a('example.com', '192.0.2.1')] }),
  ]);
  const { response } = await forwarder(server).forward(queryFor('example.com'), 'udp');
  assert.deepEqual(dataOf(response), ['192.0.2.1']);
});

test('a packet of another sender is not heeded', async (t) => {
  const stranger = createSocket('udp4').bind(0, '127.0.0.1');
  t.after(() => stranger.close());
  const server = await fakeResolver(t, (q, from) => {
    stranger.send(respond(q, { answers: [a('example.com', '192.0.2.66')] }), from.port, from.address);
    return [];
  });
  const { response } = await forwarder(server).forward(queryFor('example.com'), 'udp');
  assert.equal(response.readUInt16BE(2) & 15, 2, 'SERVFAIL: nobody who was asked has answered');
});

test('a resolver that is silent, closed, or answers SERVFAIL is passed over; the silent one is asked last from then on', async (t) => {
  let silent = 0;
  const first = await fakeResolver(t, () => {
    silent += 1;
    return [];
  });
  const failing = await fakeResolver(t, (q) => [respond(q, rcode(2))]);
  const good = await fakeResolver(t, (q) => [respond(q, { answers: [a('example.com', '192.0.2.1')] })]);
  const closed = createSocket('udp4').bind(0, '127.0.0.1');
  await once(closed, 'listening');
  const { port } = closed.address();
  closed.close();
  await once(closed, 'close');
  const forward = new Forwarder({
    resolvers: { servers: [first, { address: '127.0.0.2', port }, failing, good] },
    timeoutMs: 200,
  });
  for (let i = 0; i < 2; i++)
    assert.deepEqual(dataOf((await forward.forward(queryFor('example.com'), 'udp')).response), ['192.0.2.1']);
  assert.deepEqual([silent, forward.summary.problem], [1, undefined]);
});

test('the resolvers’ own refusal is passed on when none does better; SERVFAIL when none answers', async (t) => {
  const refusing = await fakeResolver(t, (q) => [respond(q, rcode(5))]);
  const refused = await forwarder(refusing).forward(queryFor('example.com'), 'udp');
  assert.equal(refused.response.readUInt16BE(2) & 15, 5);
  const nobody = forwarder();
  const { response, server } = await nobody.forward(queryFor('example.com'), 'udp');
  assert.deepEqual([response.readUInt16BE(2) & 15, response.readUInt16BE(0), server], [2, 4242, undefined]);
  assert.equal(nobody.summary.problem, 'there is no resolver');
});

test('a cut answer is passed on as cut over UDP, and fetched whole over TCP for a client on TCP', async (t) => {
  const all = Array.from({ length: 100 }, (_, i) => a('example.com', `192.0.2.${i}`));
  const server = await fakeResolver(
    t,
    (q) => [respond(q, { flags: TRUNCATED_RESPONSE, answers: all.slice(0, 3) })],
    (q) => respond(q, { answers: all }),
  );
  const forward = forwarder(server);
  assert.ok(decode((await forward.forward(queryFor('example.com'), 'udp')).response).flag_tc);
  const { response } = await forward.forward(queryFor('example.com'), 'tcp');
  assert.deepEqual([decode(response).flag_tc, dataOf(response).length], [false, 100]);
});

test('the client’s EDNS size and DO go along, nothing else of it; an answer that is too long for it is cut', async (t) => {
  const asked: DecodedPacket[] = [];
  const all = Array.from({ length: 60 }, (_, i) => a('example.com', `192.0.2.${i}`));
  const server = await fakeResolver(t, (q) => {
    asked.push(q);
    return [respond(q, { answers: all })];
  });
  const forward = forwarder(server);
  const { response } = await forward.forward(queryFor('example.com', edns(4096)), 'udp');
  const opt = asked[0]!.additionals![0] as { udpPayloadSize: number; flag_do: boolean };
  assert.deepEqual([opt.udpPayloadSize, opt.flag_do], [1232, true]);
  const { flag_tc, answers, questions } = decode(response);
  assert.deepEqual([flag_tc, answers, questions?.length], [true, [], 1]);
  await forward.forward(queryFor('example.com'), 'udp');
  assert.deepEqual(asked[1]!.additionals, []);
});

test('a question that is under way is no problem', async (t) => {
  const during: unknown[] = [];
  const forward: Forwarder = forwarder(
    await fakeResolver(t, (q) => {
      during.push(forward.summary.problem);
      return [respond(q)];
    }),
  );
  await forward.forward(queryFor('example.com'), 'udp');
  assert.deepEqual(during, [undefined]);
});
