/** What is on the disk of an attachment, and when. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { PortId } from '../model/ids.ts';
import type { Attachment } from '../model/local-api.ts';
import { Attachments } from './attachments.ts';

test('what the controller confirms while it is being attached is written with the end of that', () => {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-attachments-'));
  try {
    const attachments = new Attachments(directory);
    const written = () => new Attachments(directory).get('p' as PortId) as { state: string; local: object } | undefined;
    const attaching = { port: 'p', state: 'attaching', local: {} } as never as Attachment;
    attachments.put(attaching);
    const confirmed = { ...attaching, local: { confirmed: '7' } } as never as Attachment;
    attachments.put(confirmed);
    assert.deepEqual([attachments.get('p' as PortId), written()], [confirmed, attaching]);
    attachments.put({ ...confirmed, state: 'attached' });
    assert.deepEqual(written(), { ...confirmed, state: 'attached' });
    attachments.put({ ...confirmed, state: 'detaching' });
    assert.equal(written()?.state, 'detaching');
  } finally {
    rmSync(directory, { recursive: true });
  }
});
