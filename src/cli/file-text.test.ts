import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { bodyOf, createFlags, updateFlags } from './flags.ts';

test('user data and keys are typed, or read from the file that follows an @', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-flags-'));
  t.after(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'text');
  writeFileSync(file, '# mine\nssh-rsa A a@b\n\nssh-rsa B\n');
  const at = `@${file}`;
  assert.deepEqual(bodyOf(createFlags('port'), { userData: at, sshKey: [at, 'ssh-rsa C'] }), {
    userData: '# mine\nssh-rsa A a@b\n\nssh-rsa B\n',
    sshKeys: ['ssh-rsa A a@b', 'ssh-rsa B', 'ssh-rsa C'],
  });
  assert.deepEqual(bodyOf(createFlags('port'), { userData: '#!/bin/sh' }), { userData: '#!/bin/sh' });
  assert.deepEqual(bodyOf(updateFlags('port'), { userData: 'none', sshKey: ['none'] }), {
    userData: null,
    sshKeys: [],
  });
  assert.throws(
    () => bodyOf(createFlags('port'), { userData: `${at}-not` }),
    (e) => hasCode(e, 'USAGE') && /--user-data @.*no such file/.test(e.message),
  );
});
