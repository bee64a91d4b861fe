import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { removeLab } from '../../src/lab/remove.ts';
import { run } from '../../src/lab/run.ts';
import { project } from '../cli/heddle.ts';
import { labName, traces } from '../lab/trace.ts';

test('the commands of docs/guides/docker.md work when pasted, one after the other', async () => {
  const name = labName();
  const page = readFileSync(join(project, 'docs/guides/docker.md'), 'utf8');
  const script = [...page.matchAll(/^```sh\n(.*?)^```$/gms)].map((block) => block[1]).join('\n');
  const { HEDDLE_CONTROLLER: _, HEDDLE_TENANT: __, ...env } = process.env;
  try {
    const told = await run(['sh', '-euxc', `cd ${project}\n${script}`], { env: { ...env, HEDDLE_LAB: name } });
    assert.equal(told.code, 0, `${told.stdout}\n${told.stderr}`);
    assert.match(told.stdout, /3 packets transmitted, 3 packets received, 0% packet loss/);
    assert.match(told.stdout, /default via 10\.8\.0\.254/);
    assert.match(told.stdout, /8080:80\/tcp/);
    assert.match(told.stdout, /heddle0.*\n.*\n\s+inet 10\.0\.0\./);
    assert.match(told.stderr, /TENANT_FORBIDDEN/);
    assert.deepEqual(traces(name), []);
  } finally {
    await removeLab(name);
  }
});
