/** What a host tells the controller when it leaves a port that another host has, or had, too. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeddleError } from '../model/errors.ts';
import type { HostId, PortId } from '../model/ids.ts';
import { leavePort } from './leave-port.ts';

const port = 'p' as PortId;
const host = 'id1' as HostId;

/** A controller that has the port bound so, and hosts that hear of it or do not; what it was asked. */
async function left(bound: object, { owned = false, late = false } = {}): Promise<unknown[]> {
  const asked: unknown[] = [];
  const client = {
    get: async () => ({ revision: '7', ...bound }),
    async update(_: string, __: string, patch: object, scope: { ifRevision?: string; waitMs?: number }) {
      const { ifRevision, waitMs } = scope;
      asked.push({ ...patch, ...(ifRevision && { ifRevision }), ...(waitMs && { waitMs }) });
      if (waitMs && late) throw new HeddleError('WAIT_TIMEOUT', { revision: '8', hosts: ['h3'] });
      return { revision: '8' };
    },
    async remove(_: string, __: string, { ifRevision }: { ifRevision?: string }) {
      asked.push(`remove at ${ifRevision}`);
    },
  };
  await leavePort(client as never, port, { tenant: 'acme', owned, host });
  return asked;
}

test('the host of a port leaves it to the standby, also one that the port was made on', async () => {
  for (const owned of [false, true])
    assert.deepEqual(await left({ host: 'id1', standby: 'id2' }, { owned }), [{ host: null, ifRevision: '7' }]);
});

test('the host that a port has moved away from leaves at once: what others still send here the origin passes on', async () => {
  const bound = { host: 'id2', standby: 'id1', origin: 'id1' };
  assert.deepEqual(await left(bound, { owned: true }), [{ standby: null, ifRevision: '7' }]);
});

test('one that passes nothing on any more waits a second for all to know that the guest is back, unless it is here again', async () => {
  for (const late of [false, true])
    for (const bound of [
      { host: 'id2', standby: 'id1' },
      { host: 'id2', standby: 'id1', origin: 'id3' },
    ])
      assert.deepEqual(await left(bound, { owned: true, late }), [
        { standby: 'id1', ifRevision: '7', waitMs: 1_000 },
        { standby: null, ifRevision: '8' },
      ]);
});

test('the last host of a port frees it, or takes it along if it was made for its attachments', async () => {
  assert.deepEqual(await left({ host: 'id1' }), [{ host: null, ifRevision: '7' }]);
  assert.deepEqual(await left({ host: 'id1' }, { owned: true }), ['remove at 7']);
});

test('a port that is elsewhere by now is let alone', async () => {
  for (const bound of [{}, { host: 'id2' }, { host: 'id2', standby: 'id3' }])
    assert.deepEqual(await left(bound, { owned: true }), []);
});
