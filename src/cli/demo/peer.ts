/**
 * A small program that the demo runs inside namespaces:
 *   peer.ts serve IDENTITY          answers on TCP port 7000 of all addresses; says "ready" when it listens; ends with its
 *                                   standard input
 *   peer.ts who ADDRESS             prints who answers there; exit code 3 if nobody does within a second
 *   peer.ts speed ADDRESS SECONDS   prints {"gbps", "rttUs"}: one TCP stream, and the median 1-byte round trip; exit code 3
 *                                   if nobody answers
 * Its first byte on a connection says what is wanted: w(ho), e(cho), s(ink).
 */
import { writeFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';

const port = 7000;
const nobody = 3;
/** A connection on which nothing has moved for so long is given up. */
const silentMs = 10_000;

/**
 * BBR, where it is the default, paces: figures then say more of it than of the path. Reno is in every kernel, does not
 * pace, and is the only one that a namespace may choose as its default (net/ipv4/tcp_cong.c).
 */
const chooseReno = (): void => writeFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'reno');

function serve(identity: string): void {
  const server = createServer((socket) => {
    socket.setNoDelay(true).on('error', () => socket.destroy());
    socket.once('data', (first) => {
      const [wanted, ...rest] = first.toString();
      if (wanted === 'w') socket.end(identity);
      else if (wanted === 'e') {
        socket.write(rest.join('')); // what came with it
        socket.on('data', (bytes) => socket.write(bytes));
      } else socket.resume();
    });
  });
  server.listen({ port, host: '::' }, () => console.log('ready'));
  process.stdin.resume().once('close', () => process.exit(0));
}

/** A connection, or undefined if none comes about within a second. */
function dial(address: string): Promise<Socket | undefined> {
  const socket = connect({ host: address, port });
  const { promise, resolve } = Promise.withResolvers<Socket | undefined>();
  const timer = setTimeout(() => resolve(undefined), 1000);
  socket.once('error', () => resolve(undefined));
  socket.once('connect', () => {
    clearTimeout(timer);
    resolve(socket.setNoDelay(true).setTimeout(silentMs, () => process.exit(nobody)));
  });
  return promise;
}

async function who(address: string): Promise<void> {
  const socket = await dial(address);
  if (!socket) process.exit(nobody);
  socket.write('w');
  for await (const bytes of socket) process.stdout.write(bytes);
}

/** Median round trip of one byte, µs. */
async function roundTrip(socket: Socket, seconds: number): Promise<number> {
  const times: number[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const end = performance.now() + seconds * 1000;
  let sent = 0;
  const send = () => {
    sent = performance.now();
    socket.write('x');
  };
  socket.on('data', () => {
    times.push(performance.now() - sent);
    if (performance.now() < end) send();
    else resolve();
  });
  socket.write('e');
  send();
  await promise;
  return 1000 * (times.sort((a, b) => a - b)[times.length >> 1] ?? 0);
}

/** What one stream carries, Gbit/s. */
async function throughput(socket: Socket, seconds: number): Promise<number> {
  const block = Buffer.alloc(1 << 20);
  socket.write('s');
  const began = performance.now();
  const end = began + seconds * 1000;
  while (performance.now() < end) {
    const { promise, resolve } = Promise.withResolvers<void>();
    socket.write(block, () => resolve());
    await promise;
  }
  const elapsed = (performance.now() - began) / 1000;
  return (8 * socket.bytesWritten) / elapsed / 1e9;
}

async function speed(address: string, seconds: number): Promise<void> {
  const [one, two] = [await dial(address), await dial(address)];
  if (!one || !two) process.exit(nobody);
  const rttUs = await roundTrip(one, seconds);
  one.destroy();
  const gbps = await throughput(two, seconds);
  two.destroy();
  console.log(JSON.stringify({ gbps, rttUs }));
}

const [command, argument = '', seconds = '0.3'] = process.argv.slice(2);
chooseReno();
if (command === 'serve') serve(argument);
else if (command === 'who') await who(argument);
else await speed(argument, Number(seconds));
