/** What is on the disk of an attachment, and when. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import type { PortId } from '../model/ids.ts';
import type { Attachment } from '../model/local-api.ts';
import { Attachments } from './attachments.ts';

const said: string[] = [];
const log = { warn: (_: object, text: string) => void said.push(text) };
const port = 'p' as PortId;
const attaching = { port, state: 'attaching', local: {} } as never as Attachment;
const confirmed = { ...attaching, local: { confirmed: '7' } } as never as Attachment;

/** A folder with a port that is being attached; `written` is what another agent would read there. */
function openRecords() {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-attachments-'));
  const attachments = new Attachments(directory, log);
  attachments.put(attaching);
  return {
    ...{ attachments, records: join(directory, 'attachments') },
    written: (): Attachment | undefined => new Attachments(directory, log).get(port),
    [Symbol.dispose]: () => rmSync(directory, { recursive: true }),
  };
}

test('the end of an attach is on disk at once, and what the controller confirmed meanwhile a moment later', async () => {
  using on = openRecords();
  const { attachments, written } = on;
  attachments.put(confirmed);
  assert.deepEqual([attachments.get(port), written()], [confirmed, attaching]);
  attachments.put({ ...confirmed, state: 'attached' });
  assert.deepEqual(written(), { ...attaching, state: 'attached' });
  await setImmediate();
  assert.deepEqual(written(), { ...confirmed, state: 'attached' });
  attachments.put({ ...confirmed, state: 'detaching' });
  assert.equal(written()?.state, 'detaching');
});

test('what became of it in that moment is not overwritten', async () => {
  using on = openRecords();
  on.attachments.put({ ...attaching, state: 'attached' });
  on.attachments.remove(port);
  await setImmediate();
  assert.equal(on.written(), undefined);
});

test('a disk that does not take what comes a moment later ends nobody, and is told of', async () => {
  using on = openRecords();
  const [file = ''] = readdirSync(on.records);
  mkdirSync(join(on.records, `${file}.new`));
  on.attachments.put({ ...attaching, state: 'attached' });
  await setImmediate();
  assert.match(said.join(), /in memory alone/);
  assert.equal(on.attachments.get(port)?.state, 'attached');
});
