/** docs/guides/client.md: its program, as somebody else's, against a controller. */
import assert from 'node:assert/strict';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pino } from 'pino';
import { openClient } from '../../src/client/client.ts';
import { startController } from '../../src/controller/main.ts';
import { run } from '../../src/lab/run.ts';
import { project } from '../cli/heddle.ts';

const tsc = join(project, 'node_modules/.bin/tsc');

test('the program of docs/guides/client.md compiles with the published types, and runs', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'heddle-client-'));
  const ok = async (words: readonly string[], options: Parameters<typeof run>[1] = {}) => {
    const ran = await run(words, options);
    assert.equal(ran.code, 0, `${words.join(' ')}\n${ran.stdout}\n${ran.stderr}`);
    return ran.stdout;
  };
  try {
    const page = await readFile(join(project, 'docs/guides/client.md'), 'utf8');
    const program = [...page.matchAll(/^```ts\n(.*?)^```$/gms)].map((block) => block[1]).join('');
    const installed = join(dir, 'node_modules/heddle');
    await mkdir(installed, { recursive: true });
    await ok([tsc, '-p', join(project, 'tsconfig.client.json'), '--outDir', join(installed, 'build/client')]);
    for (const file of ['package.json', 'build/typebox.mjs', 'build/typebox.d.mts'])
      await copyFile(join(project, file), join(installed, file));
    for (const name of ['typebox', '@types'])
      await symlink(join(project, 'node_modules', name), join(dir, 'node_modules', name));
    await writeFile(join(dir, 'package.json'), '{ "type": "module" }');
    await writeFile(join(dir, 'program.ts'), program);
    const options = { strict: true, noEmit: true, module: 'nodenext', target: 'esnext', types: ['node'] };
    await writeFile(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['program.ts'] }));
    await ok([tsc, '-p', dir]);
    await writeFile(join(dir, 'wrong.ts'), `${program}\nconsole.log(port.adresses);\n`);
    await writeFile(join(dir, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['wrong.ts'] }));
    const wrong = await run([tsc, '-p', dir]);
    assert.match(wrong.stdout, /Property 'adresses' does not exist/);
    const db = join(dir, 'db');
    const listen = [{ tcp: '127.0.0.1:0' }, { unix: join(dir, 'socket') }];
    await using controller = await startController({ db, listen, log: pino({ level: 'silent' }) });
    const [address, socket] = controller.addresses;
    await writeFile(join(dir, 'ca.pem'), (await openClient(socket!).authority()).ca);
    const token = (await readFile(`${db}.admin-token`, 'utf8')).trim();
    const said = await ok([process.execPath, join(dir, 'program.ts')], {
      env: {
        ...{ ...process.env, HEDDLE_CONTROLLER: address },
        ...{ HEDDLE_CA: join(dir, 'ca.pem'), HEDDLE_TOKEN: token },
      },
    });
    assert.deepEqual(said.trim().split('\n'), [
      'admin',
      "[ '10.0.0.2' ]",
      "[ 'db1' ]",
      said.match(/^somebody wrote it.*$/m)?.[0],
      '1 port',
      'put db2',
      "[ 'web: mtuBytes' ]",
      "[ 'update', 'create' ]",
      "[ 'update network web' ]",
      '2',
      'created web',
      'true 0',
      '3.1.0',
    ]);
  } finally {
    await rm(dir, { recursive: true });
  }
});
