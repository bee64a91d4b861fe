/**
 * Echo over TCP. `serve IP` gives back what comes, on a port that it names. `ask IP PORT` sends a byte, awaits it, and a millisecond
 * later sends the next, until SIGINT; `hold IP PORT COUNT` opens connections, says so, and uses each of them once at SIGINT. Both then print their tally,
 * or what has become of a connection before.
 */
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const [role, ip = '', port = '0', count = '0'] = process.argv.slice(2);
const tally = { sent: 0, received: 0 };

function end(problem?: string): never {
  console.log(problem ?? JSON.stringify(tally));
  process.exit(problem === undefined ? 0 : 1);
}

/** A connection that must not end before this process does. */
async function open(): Promise<Socket> {
  const socket = connect({ host: ip, port: Number(port), noDelay: true });
  socket.on('error', (e) => end(`the connection failed: ${e.message}`));
  socket.on('close', () => end('the connection was closed'));
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once('connect', resolve);
  await promise;
  return socket;
}

/** One byte to and fro. */
async function ask(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once('data', () => resolve());
  socket.write('x');
  tally.sent++;
  await promise;
  tally.received++;
}

if (role === 'serve') {
  const server = createServer((socket) => socket.setNoDelay().pipe(socket));
  server.listen({ host: ip, port: 0, backlog: 512 }, () => {
    const address = server.address();
    if (address !== null && typeof address === 'object') console.log(`listening on ${address.port}.`);
  });
} else if (role === 'ask') {
  let ending = false;
  process.on('SIGINT', () => {
    ending = true;
  });
  const socket = await open();
  while (!ending) {
    await ask(socket);
    await delay(1); // as fast as it goes it would take a whole core, and the daemon under test could hardly start
  }
  end();
} else {
  const { promise: told, resolve } = Promise.withResolvers<void>();
  process.on('SIGINT', () => resolve());
  const sockets: Socket[] = [];
  while (sockets.length < Number(count)) sockets.push(await open());
  console.log('held');
  await told;
  for (const socket of sockets) await ask(socket);
  end();
}
