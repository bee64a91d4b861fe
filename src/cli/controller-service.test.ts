import assert from 'node:assert/strict';
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
