/** How a port comes to a second host, with a twin of the controller. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HeddleError } from '../model/errors.ts';
import type { Port } from '../model/kinds.ts';
import { joinPort, refuseStandby } from './second-host.ts';

const found = { id: 'p', name: 'vm1', revision: '5', host: 'id1' } as Port;

/** Joins where the controller has these errors for the first writes, and the port changes so; what it was asked. */
async function joined(refusals: readonly Error[], change: object = {}, port = found) {
  const left = [...refusals];
  const asked: unknown[] = [];
  const client = {
    async update(_: string, __: string, patch: object, { ifRevision }: { ifRevision: string }) {
      asked.push({ ...patch, ifRevision });
      const refusal = left.shift();
      if (refusal) throw refusal;
      return { ...found, standby: 'id2' };
    },
    async get(kind: string, id: string) {
      if (kind === 'host') return { id, name: id.replace('id', 'h') };
      asked.push('get');
      return { ...found, revision: '6', ...change };
    },
  };
  await joinPort(client as never, port, { tenant: 'acme', self: 'h2' });
  return asked;
}
const conflict = new HeddleError('REVISION_CONFLICT', { want: '5', have: '6' });
const late = new HeddleError('WAIT_TIMEOUT', { revision: '6', hosts: ['h3'] });
const write = (ifRevision: string) => ({ standby: 'h2', ifRevision });

test('a host joins a port as it was found, and waits for others no longer than it must', async () => {
  assert.deepEqual(await joined([]), [write('5')]);
  assert.deepEqual(await joined([late]), [write('5'), 'get']);
});

test('a host joins a segment only if the one that serves it knows', async () => {
  const segment = { ...found, segment: { learn: 0 } };
  assert.deepEqual(await joined([late], {}, segment), [write('5'), 'get']);
  const unaware = new HeddleError('WAIT_TIMEOUT', { revision: '6', hosts: ['h3', 'h1'] });
  await assert.rejects(joined([unaware], {}, segment), {
    code: 'SEGMENT_UNAWARE',
    details: { segment: 'vm1', host: 'h1' },
  });
  assert.deepEqual(await joined([unaware]), [write('5'), 'get'], 'a guest does not wait for its source');
});

test('a label that somebody writes meanwhile does not keep a guest from coming; another place of the port does', async () => {
  assert.deepEqual(await joined([conflict]), [write('5'), 'get', write('6')]);
  for (const change of [{ standby: 'id3' }, { host: 'id3' }])
    await assert.rejects(joined([conflict], change), { code: 'REVISION_CONFLICT' });
  await assert.rejects(joined([conflict, conflict]), { code: 'REVISION_CONFLICT' });
});

test('a port can stand by only for another host, and on one', () => {
  const refused = (port: object, message: RegExp) =>
    assert.throws(() => refuseStandby({ ...found, ...port } as Port, 'id2'), { code: 'INVALID', message });
  refused({ host: 'id2' }, /is on this host already/);
  refused({ host: undefined }, /is on no host/);
  refused({ standby: 'id3' }, /has a standby on another host: .*heddle port update vm1 --standby none/);
  refuseStandby({ ...found, standby: 'id2' } as Port, 'id2');
});
