/**
 * One question: `ask PROTOCOL ADDRESS PORT` opens a connection or sends a datagram, prints the answer's text and ends with 0, or
 * prints what went wrong and ends with 1. `ask keep ADDRESS PORT` is a connection that sends a line each 50 ms and prints how many
 * answers came at SIGINT; a connection that ends before that is a failure.
 */

import { createSocket } from 'node:dgram';
import { writeSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

const [protocol = '', host = '', port = '0'] = process.argv.slice(2);
/** A connection whose first packet is lost tries again after one second. */
const patienceMs = 2_500;

function end(text: string, code: number): never {
  writeSync(1, `${text}\n`); // process.exit does not wait for what is in a stream
  process.exit(code);
}

if (protocol === 'udp') {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  socket.on('message', (text) => end(text.toString(), 0));
  socket.on('error', (e: NodeJS.ErrnoException) => end(e.code ?? e.message, 1));
  // Connected, so that ICMP errors are told.
  socket.connect(Number(port), host, () => socket.send('hello'));
} else {
  const socket = connect({ host, port: Number(port) });
  socket.on('error', (e: NodeJS.ErrnoException) => end(e.code ?? e.message, 1));
  if (protocol === 'keep') {
    let [sent, received] = [0, 0];
    let ending = false;
    socket.on('close', () => end('closed', 1));
    // What was sent last is answered, or never.
    socket.setTimeout(30_000, () => end('no answer', 1));
    socket.on('data', (text) => {
      received += text.toString().split('\n').length - 1;
    });
    process.on('SIGINT', () => {
      ending = true;
    });
    socket.once('data', () => writeSync(1, 'begun\n'));
    for (; !ending || received < sent; await delay(50)) if (!ending && socket.write('more\n')) sent++;
    end(`${received}`, 0);
  }
  let text = '';
  socket.on('data', (part) => {
    text += part.toString();
  });
  socket.on('end', () => end(text, 0));
}
if (protocol !== 'keep') setTimeout(() => end('timeout', 1), patienceMs);
