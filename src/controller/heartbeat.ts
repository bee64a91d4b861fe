import type { EventEmitter } from 'node:events';

/** A ping is sent this often; a peer that has not answered one by the next is dead: noticed within 10 s. */
export const HEARTBEAT_MS = 5_000;

/** What a heartbeat needs of a WebSocket. */
interface Pinged extends Pick<EventEmitter, 'on'> {
  ping(): void;
  terminate(): void;
}

/** Ends the connection of a peer that stops answering. */
export function heartbeat(socket: Pinged): void {
  let alive = true;
  socket.on('pong', () => {
    alive = true;
  });
  const timer = setInterval(() => {
    if (!alive) return socket.terminate();
    alive = false;
    socket.ping();
  }, HEARTBEAT_MS);
  timer.unref();
  socket.on('close', () => clearInterval(timer));
}
