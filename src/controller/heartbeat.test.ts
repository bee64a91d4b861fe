import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { it } from 'node:test';
import { HEARTBEAT_MS, heartbeat } from './heartbeat.ts';

class FakeSocket extends EventEmitter {
  pings = 0;
  terminated = false;
  ping(): void {
    this.pings++;
  }
  terminate(): void {
    this.terminated = true;
  }
}

it('ends a silent peer within 15 s, and leaves one that answers', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const [silent, lively] = [new FakeSocket(), new FakeSocket()];
  lively.ping = () => lively.emit('pong');
  for (const socket of [silent, lively]) heartbeat(socket);
  t.mock.timers.tick(HEARTBEAT_MS);
  assert.deepEqual([silent.pings, silent.terminated], [1, false]);
  t.mock.timers.tick(15_000 - HEARTBEAT_MS);
  assert.deepEqual([silent.terminated, lively.terminated], [true, false]);
});

it('stops with the connection', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const socket = new FakeSocket();
  heartbeat(socket);
  socket.emit('close');
  t.mock.timers.tick(60_000);
  assert.deepEqual([socket.pings, socket.terminated], [0, false]);
});
