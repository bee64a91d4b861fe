/**
 * A workload with no good in mind: `flood WAY ADDRESS` goes on until it is told to end, then prints what it did.
 * `slow`: as many connections as it can open, each sending a header byte by byte. `fast`: requests as fast as they are taken,
 * many in one connection without waiting for answers. `open`: connections that are opened and left.
 */
import { writeSync } from 'node:fs';
import { connect, type Socket } from 'node:net';

const [way = '', host = ''] = process.argv.slice(2);
const port = 80;
const done = { opened: 0, closed: 0, bytes: 0 };
const request = `GET /latest/meta-data/ HTTP/1.1\r\nHost: ${host}\r\n\r\n`;
const atOnce = 64;

function begin(socket: Socket): void {
  if (way === 'slow') {
    let at = 0;
    const timer = setInterval(() => socket.write(request[at++ % request.length]!), 200);
    socket.on('close', () => clearInterval(timer));
  }
  if (way === 'fast') {
    const send = (): void => {
      while (!socket.destroyed && socket.write(request.repeat(50)));
    };
    socket.on('drain', send);
    send();
  }
}

function open(): void {
  const socket = connect({ host, port });
  socket.on('connect', () => {
    done.opened += 1;
    begin(socket);
  });
  socket.on('data', (part) => {
    done.bytes += part.length;
  });
  // Closed is what it is to be; it opens the next one.
  socket.on('error', () => undefined);
  socket.on('close', () => {
    done.closed += 1;
    setImmediate(open);
  });
}
for (let i = 0; i < atOnce; i++) open();
process.on('SIGTERM', () => {
  writeSync(1, JSON.stringify(done));
  process.exit(0);
});
