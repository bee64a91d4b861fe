import assert from 'node:assert/strict';
import { access, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { runInVm } from './run-in-vm.ts';

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'heddle-kernels-'));
  process.env.TMPDIR = dir;
});
after(() => rm(dir, { recursive: true }));

test('a command runs as root on Debian’s kernel with this machine’s files, and changes none of them', async () => {
  const script = `uname -r; id -u; node --version; touch ${dir}/guest && echo made; exit 7`;
  const { exitCode, output, kernel } = await runInVm({ command: ['sh', '-c', script], timeoutMs: 120_000 });
  assert.equal(exitCode, 7);
  assert.deepEqual(output.trim().split('\n'), [kernel, '0', process.version, 'made']);
  assert.match(kernel, /^6\.1\./);
  assert.notEqual(kernel, release());
  await assert.rejects(access(join(dir, 'guest')), { code: 'ENOENT' });
});

test('the verifier of Debian’s kernel accepts every program', async () => {
  const script = 'bpftool prog loadall build/heddle.bpf.o /sys/fs/bpf/programs || exit; ls /sys/fs/bpf/programs';
  const { exitCode, output } = await runInVm({ command: ['sh', '-c', script], timeoutMs: 120_000 });
  assert.equal(exitCode, 0, output);
  assert.deepEqual(output.trim().split('\n').sort(), [
    'from_port',
    'from_segment',
    'from_underlay',
    'from_vxlan',
    'pass_marked',
    'to_host',
    'to_underlay',
  ]);
});

test('a machine that does not end in time is destroyed, and nothing of it stays', async () => {
  await assert.rejects(runInVm({ command: ['sleep', '1000'], timeoutMs: 5000 }), /was stopped after 5 s/);
  assert.deepEqual(await readdir(dir), []);
  assert.deepEqual(await children(), []);
});

/** Names of this process's children. */
async function children(): Promise<string[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const stats = await Promise.all(pids.map((pid) => readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')));
  return stats.filter((stat) => stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1] === `${process.pid}`);
}
