import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run } from '../../src/lab/run.ts';
import { launcher } from './heddle.ts';

const join = ['agent', 'join', 'https://127.0.0.1:1', 'hdj_none'];
const controller = ['controller', '--db', '/nonexistent/db'];

/** Nothing of this machine's systemd is seen, should it have one, and nothing of it is written. */
const alone = 'mount -t tmpfs none /run && mount -t tmpfs none /etc';

/** What `--install` says where the commands have been run before it. */
async function refusalOf(words: readonly string[], before: string): Promise<string> {
  const install = [launcher, ...words, '--install', '--json'];
  const { code, stdout, stderr } = await run(['unshare', '-m', 'sh', '-c', `${before} && exec "$@"`, 'sh', ...install]);
  assert.equal(code, 2, stderr);
  return stdout + stderr;
}

for (const [words, what] of [
  [join, 'a server does not join for a service: its token is for another try'],
  [controller, 'a controller is not installed'],
] as const)
  test(`where there is no systemd ${what}`, async () => {
    assert.match(await refusalOf(words, alone), /no systemd here/);
  });

for (const [words, unit] of [
  [join, 'heddle-agent.service'],
  [controller, 'heddle-controller.service'],
] as const)
  test(`a ${unit} that somebody has written stays as it is`, async () => {
    const folders = '/run/systemd/system /etc/systemd/system';
    const before = `${alone} && mkdir -p ${folders} && echo '[Unit]' >/etc/systemd/system/${unit}`;
    assert.match(
      await refusalOf(words, before),
      new RegExp(`/etc/systemd/system/${unit} is there.* move it away first`),
    );
  });
