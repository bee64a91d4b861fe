import assert from 'node:assert/strict';
import { chmod, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { launcher, launcherFile, launcherWarning, projectRoot } from './launcher.ts';

test('the launcher is called by a name that works where it is read', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-path-'));
  t.after(() => rm(dir, { recursive: true }));
  assert.equal(launcher('/nonexistent', projectRoot), './heddle');
  assert.equal(launcher('/nonexistent', '/'), `${projectRoot}heddle`);
  await symlink(join(projectRoot, 'heddle'), join(dir, 'heddle'));
  assert.equal(launcher(`/nonexistent:${dir}`, '/'), 'heddle');
  assert.equal(launcherFile(`/nonexistent:${dir}`), join(dir, 'heddle'));
  assert.equal(launcherFile('/nonexistent'), `${projectRoot}heddle`);
  for (const taken of [dir, '/nonexistent']) assert.equal(launcherWarning(taken), undefined);
  await chmod(dir, 0o777);
  assert.equal(launcherFile(dir), `${projectRoot}heddle`, 'a link that anybody may set');
  assert.equal(launcherWarning(dir)?.startsWith(`${join(dir, 'heddle')} may be set by others`), true);
  await chmod(dir, 0o700);
  await rm(join(dir, 'heddle'));
  await writeFile(join(dir, 'heddle'), 'another program of that name');
  assert.equal(launcher(dir, '/'), `${projectRoot}heddle`);
  assert.equal(launcherFile(dir), `${projectRoot}heddle`);
});
