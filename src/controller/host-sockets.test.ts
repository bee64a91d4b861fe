import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { it } from 'node:test';
import { HostSockets } from './host-sockets.ts';

/** A connection that says when it is ended; `validToMs` and `raw` of the certificate that was shown on it. */
function socketOf(validToMs?: number, raw: Uint8Array = new Uint8Array()) {
  const events = new EventEmitter();
  const own = {
    isDestroyed: false,
    destroy() {
      own.isDestroyed = true;
      events.emit('close');
    },
    once: events.once.bind(events),
    getPeerX509Certificate: () => (validToMs === undefined ? undefined : { raw, validToDate: new Date(validToMs) }),
  };
  return own as typeof own & Socket;
}

it('A32: ends all connections of a host within a second, and none of another', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  const sockets = new HostSockets(() => new Date());
  const [a, b, other, next] = [socketOf(), socketOf(), socketOf(), socketOf()];
  for (const socket of [a, b, a]) sockets.note('h1', socket);
  sockets.note('h2', other);
  sockets.cut('h1');
  sockets.note('h1', next);
  t.mock.timers.tick(1_000);
  assert.deepEqual(
    [a, b, other].map(({ isDestroyed }) => isDestroyed),
    [true, true, false],
  );
  assert.ok(!next.isDestroyed, 'what comes after it is let in or not by whoever is asked then');
  for (let i = 0; i < 2; i++) sockets.cut('h1');
  t.mock.timers.tick(1_000);
  assert.ok(next.isDestroyed);
});

it('ends a connection with its certificate, and leaves one whose certificate has ended already', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  const sockets = new HostSockets(() => new Date());
  const [short, long, late, without] = [socketOf(1_005_000), socketOf(1_010_000), socketOf(999_000), socketOf()];
  const all = [short, long, late, without];
  for (const socket of all) sockets.note('h1', socket);
  const ended = () => all.map(({ isDestroyed }) => isDestroyed);
  t.mock.timers.tick(4_999);
  assert.deepEqual(ended(), [false, false, false, false]);
  t.mock.timers.tick(1);
  assert.deepEqual(ended(), [true, false, false, false]);
  t.mock.timers.tick(5_000);
  assert.deepEqual(ended(), [true, true, false, false]);
});

it('A32: ends those whose certificate does not count any more, whichever host they are of', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
  const sockets = new HostSockets(() => new Date());
  const all = [1, 2, 1].map((n) => socketOf(2_000_000, Uint8Array.of(n)));
  for (const [i, socket] of [...all, socketOf()].entries()) sockets.note(`h${i % 2}`, socket);
  sockets.cutRefused(([n]) => n === 2);
  t.mock.timers.tick(999);
  assert.ok(
    all.every(({ isDestroyed }) => !isDestroyed),
    'an answer that is under way goes out first',
  );
  t.mock.timers.tick(1);
  assert.deepEqual(
    all.map(({ isDestroyed }) => isDestroyed),
    [true, false, true],
  );
});
