/**
 * One end of a byte stream, run in a workload's namespace:
 *   stream-end.ts receive SEED BYTES     prints the port that it listens on, then "whole", or where it first differs
 *   stream-end.ts send SEED BYTES HOST PORT
 * The stream repeats a pattern that both ends make from the seed; its length is odd, so that a lost or doubled part of any
 * usual size shifts what follows.
 */
import { createCipheriv } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

const [what, seed = '', size = '0', host, port] = process.argv.slice(2);
const total = Number(size);
const pattern = createCipheriv('aes-128-ctr', seed.padEnd(16).slice(0, 16), Buffer.alloc(16)).update(
  Buffer.alloc((1 << 20) + 4093),
);

/** The part of the stream from `at` on, at most `most` bytes: up to where the pattern begins anew. */
const part = (at: number, most: number): Buffer =>
  pattern.subarray(at % pattern.length, Math.min((at % pattern.length) + most, pattern.length));

/** Position of the first byte of the chunk that differs, or -1. */
function differs(chunk: Buffer, at: number): number {
  for (let done = 0; done < chunk.length; ) {
    const want = part(at + done, chunk.length - done);
    if (!want.equals(chunk.subarray(done, done + want.length))) return at + done;
    done += want.length;
  }
  return -1;
}

async function receive(socket: Socket): Promise<string> {
  let at = 0;
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    const bad = differs(chunk, at);
    if (bad >= 0) return `differs within a chunk from byte ${bad} on`;
    at += chunk.length;
  }
  return at === total ? 'whole' : `ended after ${at} bytes`;
}

async function send(socket: Socket): Promise<void> {
  await once(socket, 'connect');
  for (let at = 0; at < total; ) {
    const piece = part(at, Math.min(total - at, 256 << 10));
    if (!socket.write(piece)) await once(socket, 'drain');
    at += piece.length;
  }
  socket.end();
  await once(socket.resume(), 'close');
}

if (what === 'send') await send(connect({ host: host!, port: Number(port) }));
else {
  const server = createServer().listen(0, '::');
  await once(server, 'listening');
  console.log((server.address() as AddressInfo).port);
  const [socket] = (await once(server, 'connection')) as [Socket];
  console.log(await receive(socket));
  server.close();
}
