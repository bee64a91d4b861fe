/** What the controller is told of guests that came here, with a twin of it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pino } from 'pino';
import { HeddleError } from '../model/errors.ts';
import type { PortId } from '../model/ids.ts';
import type { TapAttachment } from '../model/local-api.ts';
import { Moves } from './moves.ts';
import { notNow } from './test-refusals.ts';

const tap = (port: string): TapAttachment =>
  ({ kind: 'tap', port, tenant: 'acme', network: 'web', name: port, state: 'attached' }) as never;

/** A host with these taps; an error that stands in `refusals` is what the controller answers for that port. */
function rig(...ports: string[]) {
  return rigWith(...ports.map(tap));
}
function rigWith(...taps: TapAttachment[]) {
  const all = new Map<string, TapAttachment>(taps.map((a) => [a.port, a]));
  const devices = new Map<string, { open: boolean }>();
  let changed: (key: string) => void = () => undefined;
  const refusals = new Map<string, Error>();
  const asked: string[] = [];
  const told = new Map<string, object>();
  const moves = new Moves({
    attachments: {
      all: () => [...all.values()],
      get: (port: string) => all.get(port),
      put: (a: TapAttachment) => all.set(a.port, a),
    },
    client: {
      async update(_: string, port: string, patch: object) {
        asked.push(`${port} ${JSON.stringify(patch)}`);
        const refusal = refusals.get(port);
        if (refusal) throw refusal;
        return { revision: '9' };
      },
    },
    reconciler: {
      touchPort: () => undefined,
      state: { told, networks: new Map() },
      host: { number: 2 },
      watchItems(listener: typeof changed) {
        changed = listener;
        return { [Symbol.dispose]: () => undefined };
      },
    },
    devices: { all: devices },
    thisHost: { name: 'h2', ref: 'h2' },
    log: pino({ level: 'silent' }),
  } as never);
  const heard = (port: string) => all.get(port)?.heard;
  /** Somebody opens the tap, or nobody has it open any more. */
  const opened = (port: string, open: boolean) => {
    devices.set(port, { open });
    changed(`port/${port}`);
  };
  return { moves, refusals, told, asked, heard, opened, [Symbol.dispose]: () => moves[Symbol.dispose]() };
}
const away = new HeddleError('CONTROLLER_UNREACHABLE', { address: 'unix:/x', problem: 'no' });

test('a port whose guest has come is bound to this host', async () => {
  using r = rig('vm1', 'vm2');
  r.moves.arrived('vm1' as PortId);
  await r.moves.tell();
  assert.deepEqual(r.asked, ['vm1 {"host":"h2"}']);
  assert.deepEqual([r.heard('vm1'), r.heard('vm2')], [{ confirmed: '9' }, undefined]);
});

test('a controller that is away is told until it has heard', async () => {
  using r = rig('vm1');
  r.refusals.set('vm1', away);
  r.moves.arrived('vm1' as PortId);
  await r.moves.tell();
  assert.deepEqual(r.heard('vm1'), {});
  r.refusals.clear();
  await r.moves.tell();
  assert.deepEqual(r.heard('vm1'), { confirmed: '9' });
});

test('what it refuses is not told again, and keeps no other guest waiting', async () => {
  using r = rig('vm1', 'vm2');
  r.refusals.set('vm1', new HeddleError('NOT_FOUND', { kind: 'port', name: 'vm1' }));
  for (const port of ['vm1', 'vm2']) r.moves.arrived(port as PortId);
  await r.moves.tell();
  assert.deepEqual([r.heard('vm1'), r.heard('vm2')], [undefined, { confirmed: '9' }]);
});

test('a guest that came stays, though the controller does not let this host in, until it says that the port is elsewhere', async () => {
  for (const refusal of notNow) {
    using r = rig('vm1');
    r.told.set('port/vm1', { kind: 'port', host: 1, standby: 2 });
    r.refusals.set('vm1', refusal);
    r.moves.arrived('vm1' as PortId);
    await r.moves.tell();
    assert.deepEqual([r.heard('vm1'), r.moves.refusal], [{}, refusal], refusal.code);
    r.refusals.clear();
    await r.moves.tell();
    assert.deepEqual([r.heard('vm1'), r.moves.refusal], [{ confirmed: '9' }, undefined], refusal.code);
  }
  using r = rig('vm1');
  r.told.set('port/vm1', { kind: 'port', host: 1, standby: 3 });
  r.refusals.set('vm1', new HeddleError('FORBIDDEN', { who: 'host h2', verb: 'write', what: 'ports' }));
  r.moves.arrived('vm1' as PortId);
  await r.moves.tell();
  assert.deepEqual([r.heard('vm1'), r.moves.refusal], [undefined, undefined]);
});

test('a guest whose tap is closed before the controller has heard of it is gone again, and nobody is told', async () => {
  using r = rig('vm1');
  r.refusals.set('vm1', away);
  r.opened('vm1', false);
  r.moves.arrived('vm1' as PortId);
  await r.moves.tell();
  // Its first frame is heard before the tap is heard to be open.
  r.opened('vm1', false);
  assert.deepEqual(r.heard('vm1'), {});
  r.opened('vm1', true);
  assert.deepEqual(r.heard('vm1'), {});
  r.opened('vm1', false);
  assert.equal(r.heard('vm1'), undefined);
  r.refusals.clear();
  r.asked.splice(0);
  await r.moves.tell();
  assert.deepEqual(r.asked, []);
});

test('a restarted agent finds a tap closed whose guest the one before had heard', async () => {
  using r = rigWith({ ...tap('vm1'), heard: {} });
  r.opened('vm1', false);
  await r.moves.tell();
  assert.deepEqual([r.asked, r.heard('vm1')], [[], undefined]);
});
