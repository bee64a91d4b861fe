/** One question to one resolver. */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import { FrameReader, framed } from './frames.ts';
import type { Query } from './query.ts';
import type { Upstream } from './resolv-conf.ts';

const HEADER = 12;
const QR = 0x8000;
const TC = 0x0200;
const RD = 0x0100;
const CD = 0x0010;

/** What is sent to a resolver for a client's query: a new random id, the client's question, and no more of its EDNS than size and DO. */
export function upstreamQuery(query: Query, udpBytes: number): Buffer {
  const header = Buffer.alloc(HEADER);
  const counts = [1, 0, 0, query.edns ? 1 : 0];
  const words = [randomInt(0x1_0000), RD | (query.flags & CD), ...counts];
  for (const [i, word] of words.entries()) header.writeUInt16BE(word, 2 * i);
  if (!query.edns) return Buffer.concat([header, query.question]);
  const opt = Buffer.from([0, 0, 41, 0, 0, 0, 0, query.edns.dnssecOk ? 0x80 : 0, 0, 0, 0]);
  opt.writeUInt16BE(udpBytes, 3);
  return Buffer.concat([header, query.question, opt]);
}

/** True if the message answers this question: its id, and the question itself; letters may differ in case. */
export function answers(message: Buffer, asked: Buffer, question: Uint8Array): boolean {
  if (message.length < HEADER + question.length || message.readUInt16BE(0) !== asked.readUInt16BE(0)) return false;
  if (!(message.readUInt16BE(2) & QR) || message.readUInt16BE(4) !== 1) return false;
  const theirs = message.subarray(HEADER, HEADER + question.length);
  return theirs.equals(question) || lower(theirs) === lower(question);
}
const lower = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1').toLowerCase();

/** The resolver had more to say than UDP held. */
export const isTruncated = (message: Buffer): boolean => (message.readUInt16BE(2) & TC) !== 0;

/**
 * Asks over UDP from a port of its own, which the kernel chooses at random; the socket is connected, so that only the
 * resolver's own packets arrive. What does not answer the question is not heeded.
 * @throws an Error when the resolver refuses, or says nothing until the time is up
 */
export function askUdp(server: Upstream, asked: Buffer, question: Uint8Array, timeoutMs: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
  const timer = setTimeout(() => reject(timedOut(timeoutMs)), timeoutMs);
  socket.on('error', reject);
  socket.on('message', (message) => answers(message, asked, question) && resolve(message));
  socket.on('connect', () => socket.send(asked));
  socket.connect(server.port, server.address);
  return promise.finally(() => {
    clearTimeout(timer);
    socket.close();
  });
}

/** Asks over TCP (RFC 7766). @throws as `askUdp` */
export function askTcp(server: Upstream, asked: Buffer, question: Uint8Array, timeoutMs: number): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const socket = connect(server.port, server.address);
  const timer = setTimeout(() => reject(timedOut(timeoutMs)), timeoutMs);
  const reader = new FrameReader(65_535);
  socket.on('error', reject);
  socket.on('close', () => reject(new Error('the connection was closed')));
  socket.on('connect', () => socket.write(framed(asked)));
  socket.on('data', (part) => {
    for (const message of reader.push(part) ?? [])
      if (answers(message, asked, question)) resolve(message);
      else reject(new Error('the answer is to another question'));
  });
  return promise.finally(() => {
    clearTimeout(timer);
    socket.destroy();
  });
}

const timedOut = (ms: number): Error => new Error(`no answer within ${ms} ms`);
