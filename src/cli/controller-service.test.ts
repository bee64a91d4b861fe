import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { hasCode } from '../model/errors.ts';
import { controllerService } from './controller-service.ts';
import { unitText } from './service.ts';

const socket = '/run/heddle/controller.sock';

test('a controller’s unit starts it with the words that were typed, but those for the installation', () => {
  const words = ['controller', '--listen', '192.0.2.1:7470', '--install', '--tls-name', 'a b"$%\\', '--json'];
  const service = controllerService(words, socket);
  assert.deepEqual(service.argv, ['controller', '--listen', '192.0.2.1:7470', '--tls-name', 'a b"$%\\']);
  const [, started] = /^ExecStart="\S+\/heddle" (.*)$/m.exec(unitText(service)) ?? [];
  assert.equal(started, '"controller" "--listen" "192.0.2.1:7470" "--tls-name" "a b\\"$$%%\\\\"');
});

test('what is for one start, means another file in a service, or none that it may write, is refused', () => {
  for (const [word, ...more] of [
    ['--new-authority'],
    ['--ca-key', '/ca.pem'],
    ['--fd=3'],
    ['--db', 'x.db'],
    ['--db', '/usr/local/lib/x.db'],
    ['--db=/srv/../etc/x.db'],
    ['--socket=a'],
  ])
    assert.throws(
      () => controllerService(['controller', word!, ...more, '--install'], socket),
      (e) => hasCode(e, 'USAGE'),
      word,
    );
  assert.doesNotThrow(() => controllerService(['controller', '--db', '/srv/x.db', '--install'], socket));
});

test('a store is where its folders lead to, also where some of them are not made yet', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'heddle-service-'));
  t.after(() => rmSync(dir, { recursive: true }));
  symlinkSync('/usr/lib', join(dir, 'lib'));
  symlinkSync('/srv', join(dir, 'usr'));
  const install = (db: string) => controllerService(['controller', '--db', join(dir, db), '--install'], socket);
  for (const db of ['lib/x.db', 'lib/none/yet/x.db']) assert.throws(() => install(db), { code: 'USAGE' }, db);
  for (const db of ['usr/x.db', 'none/x.db']) assert.doesNotThrow(() => install(db), db);
});
