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

test('the end of an attach is on disk at once, and what the controller confirmed meanwhile a moment later', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-attachments-'));
  try {
    const attachments = new Attachments(directory, log);
    const written = () =>
      new Attachments(directory, log).get('p' as PortId) as { state: string; local: object } | undefined;
    const attaching = { port: 'p', state: 'attaching', local: {} } as never as Attachment;
    attachments.put(attaching);
    const confirmed = { ...attaching, local: { confirmed: '7' } } as never as Attachment;
    attachments.put(confirmed);
    assert.deepEqual([attachments.get('p' as PortId), written()], [confirmed, attaching]);
    attachments.put({ ...confirmed, state: 'attached' });
    assert.deepEqual(written(), { ...attaching, state: 'attached' });
    await setImmediate();
    assert.deepEqual(written(), { ...confirmed, state: 'attached' });
    attachments.put({ ...confirmed, state: 'detaching' });
    assert.equal(written()?.state, 'detaching');
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('what became of it in that moment is not overwritten', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-attachments-'));
  try {
    const attachments = new Attachments(directory, log);
    const attaching = { port: 'p', state: 'attaching' } as never as Attachment;
    attachments.put(attaching);
    attachments.put({ ...attaching, state: 'attached' });
    attachments.remove('p' as PortId);
    await setImmediate();
    assert.deepEqual(new Attachments(directory, log).all(), []);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('a disk that does not take what comes a moment later ends nobody, and is told of', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-attachments-'));
  try {
    const attachments = new Attachments(directory, log);
    const attaching = { port: 'p', state: 'attaching' } as never as Attachment;
    attachments.put(attaching);
    const [file = ''] = readdirSync(join(directory, 'attachments'));
    mkdirSync(join(directory, 'attachments', `${file}.new`));
    attachments.put({ ...attaching, state: 'attached' });
    await setImmediate();
    assert.match(said.join(), /in memory alone/);
    assert.equal(attachments.get('p' as PortId)?.state, 'attached');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
