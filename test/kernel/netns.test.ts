import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { linkList } from '../../src/kernel/link.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { inNetns, linkNames, makeNetns, openNetns, ownNetns, removeNetns } from '../../src/kernel/netns.ts';
import { scratchNetns } from './fixture.ts';

const names = (): string[] => {
  using nl = openNetlink();
  return linkList(nl).map((l) => l.name);
};
const identity = (): string => {
  using own = ownNetns();
  return own.identity;
};

test('what is no network namespace is refused, and opening it never blocks or leaks', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hd-netns-'));
  try {
    writeFileSync(join(dir, 'file'), '');
    execFileSync('mkfifo', [join(dir, 'fifo')]);
    const before = readdirSync('/proc/self/fd').length;
    for (const path of [
      join(dir, 'none'),
      join(dir, 'file'),
      join(dir, 'fifo'),
      dir,
      '/proc/self/ns/mnt',
      '/dev/null',
      '',
    ])
      assert.throws(() => openNetns(path), { code: 'NETNS_NOT_FOUND', details: { path } }, path);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test('names of a namespace’s devices', () => {
  using scratch = scratchNetns();
  scratch.bridge('a.1');
  assert.deepEqual(linkNames(scratch.ns), new Set(['lo', 'a.1']));
});

test('two paths to one namespace have one identity', () => {
  using scratch = scratchNetns();
  using again = openNetns(scratch.path);
  assert.equal(again.identity, scratch.ns.identity);
  using process = openNetns('/proc/self/ns/net');
  assert.equal(process.identity, identity());
  assert.notEqual(process.identity, again.identity);
});

test('inside, another network is seen; afterwards the own one, also after an error and when nested', () => {
  using one = scratchNetns();
  using two = scratchNetns();
  const own = identity();
  assert.deepEqual(inNetns(one.ns, names), ['lo']);
  assert.equal(
    inNetns(one.ns, () => inNetns(two.ns, identity)),
    two.ns.identity,
  );
  assert.equal(
    inNetns(one.ns, () => {
      inNetns(two.ns, names);
      return identity();
    }),
    one.ns.identity,
  );
  assert.throws(
    () =>
      inNetns(one.ns, () => {
        throw new Error('inside');
      }),
    /inside/,
  );
  assert.equal(identity(), own);
});

test('asynchronous functions are refused', () => {
  using scratch = scratchNetns();
  const own = identity();
  let ran = false;
  assert.throws(
    () =>
      inNetns(scratch.ns, async () => {
        ran = true;
      }),
    { code: 'INTERNAL' },
  );
  assert.equal(ran, false);
  assert.throws(() => inNetns(scratch.ns, () => Promise.resolve()), { code: 'INTERNAL' });
  assert.equal(identity(), own);
});

test('a process exits cleanly with sockets, a watch and a namespace open', () => {
  using scratch = scratchNetns();
  const kernel = new URL('../../src/kernel/', import.meta.url).pathname;
  const program = `
    import { openNetlink } from '${kernel}netlink.ts';
    import { openNetns } from '${kernel}netns.ts';
    import { watchKernel } from '${kernel}watch.ts';
    const ns = openNetns('${scratch.path}');
    openNetlink(ns);
    openNetlink();
    watchKernel({ links: true }, () => {});
    setImmediate(() => process.exit(7));`;
  const run = () => execFileSync(process.execPath, ['--input-type=module', '-e', program], { stdio: 'pipe' });
  assert.throws(run, (e: { status: number; signal: unknown }) => e.status === 7 && e.signal === null);
});

test('a namespace is made at a path and lives there, and making it leaves this thread where it was', () => {
  const dir = mkdtempSync(join(tmpdir(), 'hd-netns-'));
  const path = join(dir, 'made');
  try {
    const own = identity();
    const before = readdirSync('/proc/self/fd').length;
    makeNetns(path);
    assert.equal(identity(), own);
    {
      using made = openNetns(path);
      assert.notEqual(made.identity, own);
      assert.deepEqual(inNetns(made, names), ['lo']);
    }
    assert.throws(() => makeNetns(path), { code: 'EEXIST' });
    removeNetns(path);
    assert.throws(() => openNetns(path), { code: 'NETNS_NOT_FOUND' });
    removeNetns(path);
    writeFileSync(path, '');
    removeNetns(path);
    assert.deepEqual(readdirSync(dir), []);
    assert.throws(() => makeNetns(join(dir, 'none', 'made')), { code: 'ENOENT' });
    assert.equal(identity(), own);
    assert.equal(readdirSync('/proc/self/fd').length, before);
  } finally {
    removeNetns(path);
    rmSync(dir, { recursive: true });
  }
});
