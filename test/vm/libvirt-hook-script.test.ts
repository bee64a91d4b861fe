/** What libvirt runs, with the program behind it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { run } from '../../src/lab/run.ts';
import { launcher } from '../cli/heddle.ts';

const script = fileURLToPath(new URL('../../src/vm/libvirt-hook.sh', import.meta.url));
const domain = "<domain><metadata><h:port xmlns:h='urn:heddle:libvirt'/></metadata></domain>";

test('a guest may be called as an option is', async () => {
  const argv = ['sh', script, '--help', 'release', 'end', '-'];
  const { code, stderr } = await run(argv, { input: domain, env: { ...process.env, HEDDLE: launcher } });
  assert.equal(code, 1);
  assert.match(stderr, /<port> needs the attribute tap/);
});
