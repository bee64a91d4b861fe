/**
 * A DNS client as a process, so that it can run inside a workload's namespace: takes one JSON request per line and answers
 * each with one line, under the request's number. `ask` and `raw` write the packets themselves, `resolve` is node's own resolver.
 */
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { connect, isIPv6 } from 'node:net';
import { createInterface } from 'node:readline';
import { decode, encode, type RecordType } from 'dns-packet';
import { FrameReader, framed } from '../../src/agent/dns/frames.ts';
import type { Ask, Flood, Raw, Request, Resolve } from './dns-client.ts';

const RD = 0x0100;

function udp(server: string, message: Buffer, timeoutMs: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  // Connected: an answer from another address than the asked one does not arrive.
  const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4');
  const timer = setTimeout(() => reject(new Error('timeout')), timeoutMs);
  socket.on('error', reject);
  socket.on('message', resolve);
  socket.connect(53, server, () => socket.send(message));
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

function tcp(server: string, message: Buffer, timeoutMs: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = connect(53, server);
  const reader = new FrameReader(65_535);
  socket.setTimeout(timeoutMs, () => reject(new Error('timeout')));
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('closed')));
  socket.on('data', (part) => {
    for (const answer of reader.push(part) ?? []) resolve(answer);
  });
  // Ending at once is what some clients do; the answer must come all the same.
  socket.on('connect', () => socket.end(framed(message)));
  return promise.finally(() => socket.destroy());
}

const exchange = { udp, tcp };

async function ask({ server, name, type, transport = 'udp', edns, timeoutMs = 3_000 }: Ask) {
  const additionals = edns === undefined ? [] : [opt(edns)];
  const questions = [{ name, type: type as RecordType }];
  const message = encode({ type: 'query', id: 4711, flags: RD, questions, additionals });
  const answer = await exchange[transport](server, message, timeoutMs);
  const { flag_tc, flag_aa, answers = [], authorities = [], id, additionals: more = [] } = decode(answer);
  if (id !== 4711) throw new Error('another id');
  return {
    rcode: answer.readUInt16BE(2) & 15,
    truncated: flag_tc,
    authoritative: flag_aa,
    bytes: answer.length,
    data: answers.flatMap((a) => ('data' in a ? [String(a.data)] : [])).sort(),
    soa: authorities.find((a) => a.type === 'SOA')?.name,
    edns: more.some((a) => a.type === 'OPT'),
  };
}
const opt = (udpPayloadSize: number) =>
  ({ type: 'OPT', name: '.', udpPayloadSize, ednsVersion: 0, extendedRcode: 0, flags: 0, options: [] }) as never;

async function resolve({ server, name, type }: Resolve) {
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers([server]);
  if (type === 'PTR') return resolver.reverse(name);
  return [...((await resolver.resolve(name, type)) as string[])].sort();
}

const raw = async ({ server, hex, transport = 'udp', timeoutMs = 3_000 }: Raw) =>
  (await exchange[transport](server, Buffer.from(hex, 'hex'), timeoutMs)).toString('hex');

/** Sends as fast as it can, for a while, and heeds no answer. */
async function flood({ server, name, forMs }: Flood) {
  const socket = createSocket(isIPv6(server) ? 'udp6' : 'udp4');
  const message = encode({ type: 'query', id: 1, flags: RD, questions: [{ name, type: 'A' }] });
  const until = performance.now() + forMs;
  let sent = 0;
  await new Promise<void>((done) => socket.connect(53, server, done));
  while (performance.now() < until) {
    await new Promise<void>((done) => {
      for (let i = 0; i < 64; i++) socket.send(message, i === 63 ? () => done() : () => undefined);
    });
    sent += 64;
  }
  socket.close();
  return sent;
}

async function serve(request: Request): Promise<unknown> {
  if (request.op === 'ask') return ask(request);
  if (request.op === 'resolve') return resolve(request);
  if (request.op === 'raw') return raw(request);
  return flood(request);
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const { n, ...request } = JSON.parse(line) as Request & { n: number };
  const answer = await serve(request as Request).then(
    (result) => ({ n, result }),
    (e: NodeJS.ErrnoException) => ({ n, error: e.code ?? e.message }),
  );
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
