/** Limits: what one port asks costs another one nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { newId } from '../../model/ids.ts';
import { testNetwork, testPort } from '../dns/test-zone.ts';
import { Desk, guestLimits, hostConnections, type MetadataCounters } from './desk.ts';
import type { Instance } from './instance.ts';
import { Tokens } from './tokens.ts';

const network = testNetwork();
const instances = ['a', 'b'].map(
  (name): Instance => ({
    port: testPort(name, [`10.0.0.${name === 'a' ? 2 : 3}`]),
    network,
    host: 'h1',
    mtuBytes: 1450,
  }),
);
function open(find?: () => never, connections = hostConnections()) {
  const clock = { now: 0 };
  const now = () => clock.now;
  const counters: MetadataCounters = { requests: 0, refused: 0, unknown: 0 };
  /** Each port has all addresses that end in its own one. */
  const byAddress = (client: string) => instances.find(({ port }) => client.endsWith(port.addresses[0]!.slice(-2)));
  const log = pino({ level: 'silent' });
  let found = 0;
  const counted = (client: string) => {
    found += 1;
    return (find ?? byAddress)(client);
  };
  const tokens = new Tokens(now);
  const desk = new Desk({ find: counted, network: newId(), connections, tokens, counters, log, now });
  const ask = (client: string) => desk.answer({ method: 'GET', url: '/latest/meta-data/mac', headers: {} }, client);
  return { desk, ask, counters, clock, found: () => found };
}

test('who asks too fast is told to come back, whichever of its addresses it uses; others are not', () => {
  const { ask, counters, clock } = open();
  const statuses = Array.from({ length: guestLimits.burst + 10 }, (_, i) => ask(`${i % 9}.0.0.2`).status);
  assert.deepEqual(
    [200, 503].map((s) => statuses.filter((status) => status === s).length),
    [guestLimits.burst, 10],
  );
  const { status, headers, close } = ask('10.0.0.2');
  assert.deepEqual([status, headers, close], [503, { 'retry-after': '1' }, true]);
  assert.equal(ask('10.0.0.3').status, 200);
  assert.equal(counters.refused, 11);
  clock.now += 1_000;
  assert.equal(ask('10.0.0.2').status, 200);
});

test('connections are a port’s, up to a number; those that nobody knows share one', () => {
  const { desk, counters } = open();
  const { connectionsByPort } = guestLimits;
  const leave = Array.from({ length: connectionsByPort }, () => desk.enter('10.0.0.2'));
  assert.ok(leave.every(Boolean));
  assert.equal(desk.enter('9.9.9.2'), undefined);
  assert.ok(desk.enter('10.0.0.3'));
  leave[0]!();
  assert.ok(desk.enter('10.0.0.2'));
  for (let i = 0; i < connectionsByPort; i++) assert.ok(desk.enter(`10.0.0.${i}0`));
  assert.equal(desk.enter('10.0.0.99'), undefined);
  assert.equal(counters.refused, 2);
});

test('an address that asks too fast is not looked up', () => {
  const { ask, found, counters } = open();
  for (let i = 0; i < guestLimits.burst + 10; i++) ask('10.0.0.2');
  assert.deepEqual([found(), counters.refused], [guestLimits.burst, 10]);
});

test('connections of all networks together have a bound, and each of them only its own part', () => {
  const connections = hostConnections();
  const { connectionsByNetwork, connectionsByHost, connectionsByPort } = guestLimits;
  const [busy, quiet] = [open(undefined, connections), open(undefined, connections)];
  const networks = connectionsByHost / connectionsByNetwork;
  for (let n = 0; n < networks; n++)
    for (let i = 0; i < connectionsByNetwork - (n === 0 ? 1 : 0); i++) connections.enter(`network ${n}`);
  const leave = busy.desk.enter('10.0.0.2');
  assert.ok(leave);
  assert.equal(quiet.desk.enter('10.0.0.3'), undefined);
  assert.equal(quiet.counters.refused, 1);
  leave();
  assert.equal(connections.total, connectionsByHost - 1);
  for (let n = 0; n < networks; n++) for (let i = 0; i < connectionsByNetwork; i++) connections.leave(`network ${n}`);
  const own = Array.from({ length: connectionsByPort + 2 }, () => quiet.desk.enter('10.0.0.3'));
  assert.equal(own.filter(Boolean).length, connectionsByPort);
});

test('a fault of ours is an answer too', () => {
  const { ask } = open(() => {
    throw new Error('bug');
  });
  assert.equal(ask('10.0.0.2').status, 500);
});
