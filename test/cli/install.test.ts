import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../../src/lab/run.ts';
import { launcher } from './heddle.ts';

for (const [words, what] of [
  [
    ['agent', 'join', 'https://127.0.0.1:1', 'hdj_none'],
    'a server does not join for a service: its token is for another try',
  ],
  [['controller', '--db', '/nonexistent/db'], 'a controller is not installed'],
] as const)
  test(`where there is no systemd ${what}`, async () => {
    // Nothing of this machine's systemd is seen, should it have one, and nothing of it is written.
    const alone = 'for d in /run/systemd /etc/systemd; do test ! -d $d || mount -t tmpfs none $d; done; exec "$@"';
    const install = [launcher, ...words, '--install', '--json'];
    const { code, stdout, stderr } = await run(['unshare', '-m', 'sh', '-c', alone, 'sh', ...install]);
    assert.equal(code, 2, stderr);
    assert.match(stdout + stderr, /no systemd here/);
  });
