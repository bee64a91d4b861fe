import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { release, tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  ensureBpffs,
  leaveBpffs,
  openBpf,
  openPinnedMap,
  openPinnedProgram,
  updateFlags,
} from '../../src/kernel/bpf.ts';
import { openNetlink } from '../../src/kernel/netlink.ts';
import { ensureClsact, ensureFilter, listFilters } from '../../src/kernel/tc.ts';
import { ensureNoTcx, ensureTcx, listTcx } from '../../src/kernel/tcx.ts';
import type { HeddleError } from '../../src/model/errors.ts';
import { scratchNetns } from './fixture.ts';

const source = (body: string, hashMax = 4) => `
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, __u32); __type(value, __u64); __uint(max_entries, ${hashMax}); __uint(map_flags, BPF_F_NO_PREALLOC); } hash SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY); __type(key, __u32); __type(value, __u64); __uint(max_entries, 2); } counts SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_ARRAY); __type(key, __u32); __type(value, __u64); __uint(max_entries, 3); } row SEC(".maps");
SEC("tc") int probe(struct __sk_buff *skb) { ${body} }
char _license[] SEC("license") = "GPL";
`;
const counting = `
  __u32 zero = 0; __u64 *n = bpf_map_lookup_elem(&counts, &zero); if (n) (*n)++;
  __u64 *v = bpf_map_lookup_elem(&hash, &zero); if (v && skb->mark == 7) { skb->mark = *v; return 2; }
  return skb->gso_size;`;

const dir = mkdtempSync(join(tmpdir(), 'hd-bpf-'));
const mounted = join(dir, 'fs');
const key = (n: number) => new Uint8Array(Uint32Array.of(n).buffer);
const value = (n: bigint) => new Uint8Array(BigUint64Array.of(n).buffer);
const packet = Uint8Array.from({ length: 64 }, (_, i) => i);

function compile(name: string, text: string): string {
  const c = join(dir, `${name}.c`);
  const object = join(dir, `${name}.o`);
  writeFileSync(c, text);
  const machine = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  execFileSync('clang', ['-O2', '-g', '-target', 'bpf', `-I/usr/include/${machine}-linux-gnu`, '-c', c, '-o', object]);
  return object;
}

before(() => ensureBpffs(mounted));
after(() => {
  execFileSync('umount', ['--lazy', mounted]);
  rmSync(dir, { recursive: true });
});

test('a bpffs is mounted once, however often it is ensured', () => {
  ensureBpffs(mounted);
  const lines = execFileSync('cat', ['/proc/self/mounts'], { encoding: 'utf8' }).split('\n');
  assert.equal(lines.filter((l) => l.includes(` ${mounted} `)).length, 1);
});

test('who leaves takes off the bpffs that it mounted, when it is empty, and no other', () => {
  const isMounted = (path: string) =>
    execFileSync('cat', ['/proc/self/mounts'], { encoding: 'utf8' }).includes(path.replace(' ', '\\040'));
  const own = join(dir, 'own one');
  ensureBpffs(own);
  try {
    mkdirSync(join(own, 'others'));
    leaveBpffs(own);
    assert.ok(isMounted(own), 'somebody has pins there');
    rmdirSync(join(own, 'others'));
    leaveBpffs(own);
    assert.ok(!isMounted(own));

    execFileSync('mount', ['-t', 'bpf', 'bpf', own]);
    ensureBpffs(own);
    leaveBpffs(own);
    leaveBpffs(dir);
    assert.ok(isMounted(own), 'it was there before');
  } finally {
    execFileSync('sh', ['-c', 'while umount "$1" 2>/dev/null; do :; done', 'sh', own]);
  }
});

test('A21: nothing is pinned where somebody else may put other maps in its place', () => {
  const place = join(mounted, 'place');
  for (const [uid, mode, isOwn] of [
    [0, 0o755, true],
    [65_534, 0o700, false],
    [0, 0o770, false],
    [0, 0o777, false],
    [0, 0o1777, true],
  ] as const) {
    mkdirSync(place);
    chmodSync(place, mode);
    chownSync(place, uid, -1);
    if (isOwn) ensureBpffs(place);
    else {
      assert.throws(() => ensureBpffs(place), { code: 'HOST_MISMATCH', message: /may change what is in/ });
      assert.throws(() => openBpf({ object: 'none', pinDir: place }), { code: 'HOST_MISMATCH' });
    }
    rmdirSync(place);
  }
});

test('a loaded object pins its maps and programs, and a second load finds the rows', () => {
  const object = compile('rows', source(counting));
  const pinDir = join(mounted, 'rows');
  const shapes = { hash: { keySize: 4, valueSize: 8, maxEntries: 4 } };
  let first: { id: number; tag: string };
  {
    using bpf = openBpf({ object, pinDir, shapes });
    bpf.map('hash').update(key(1), value(11n));
    first = bpf.program('probe');
    assert.match(first.tag, /^[0-9a-f]{16}$/);
  }
  using again = openBpf({ object, pinDir, shapes });
  assert.deepEqual(again.map('hash').lookup(key(1)), value(11n));
  assert.notEqual(again.program('probe').id, first.id);
  assert.equal(again.program('probe').tag, first.tag);
  using pinned = openPinnedProgram(join(pinDir, 'probe'));
  assert.equal(pinned.id, again.program('probe').id);
  assert.equal(existsSync(join(pinDir, 'probe_new')), false);
  using map = openPinnedMap(join(pinDir, 'hash'));
  assert.equal(map.id, again.map('hash').id);
  assert.deepEqual([map.name, map.shape], ['hash', shapes.hash]);
  assert.throws(() => openPinnedMap(join(pinDir, 'probe')), { code: 'KERNEL' });
  assert.throws(
    () => openPinnedMap(join(pinDir, 'none')),
    (e: HeddleError<'KERNEL'>) => e.details.errno === 'ENOENT',
  );
});

test('rows are updated, listed, replaced under conditions and deleted; a full map says so with its name and limit', () => {
  using bpf = openBpf({ object: compile('map', source(counting)), pinDir: join(mounted, 'map') });
  const hash = bpf.map('hash');
  assert.equal(hash.lookup(key(0)), undefined);
  for (const n of [0, 1, 2, 3]) hash.update(key(n), value(BigInt(n)));
  assert.throws(() => hash.update(key(4), value(4n)), { code: 'KERNEL_MAP_FULL', details: { map: 'hash', limit: 4 } });
  assert.deepEqual(new Set(hash.keys().map((k) => k[0])), new Set([0, 1, 2, 3]));
  assert.deepEqual(
    hash
      .entries()
      .map(([k, v]) => `${k[0]}=${v[0]}`)
      .sort(),
    ['0=0', '1=1', '2=2', '3=3'],
  );
  bpf.map('row').update(key(1), value(7n));
  assert.deepEqual(bpf.map('row').entries(), [[key(1), value(7n)]]);
  assert.equal(hash.delete(key(3)), true);
  assert.equal(hash.delete(key(3)), false);
  const errno = (e: HeddleError<'KERNEL'>) => e.details.errno;
  assert.throws(
    () => hash.update(key(1), value(0n), updateFlags.create),
    (e: never) => errno(e) === 'EEXIST',
  );
  assert.throws(
    () => hash.update(key(9), value(0n), updateFlags.change),
    (e: never) => errno(e) === 'ENOENT',
  );
  assert.throws(() => hash.update(Uint8Array.of(1), value(0n)), { code: 'INTERNAL' });
  assert.throws(() => hash.lookup(new Uint8Array(5)), { code: 'INTERNAL' });
  assert.throws(() => hash.lookupPerCpu(key(1)), { code: 'INTERNAL' });
  assert.throws(() => bpf.map('none'), { code: 'INTERNAL' });
});

test('all rows of a large map are listed, which takes many calls', () => {
  const rows = 20_000;
  using bpf = openBpf({ object: compile('large', source(counting, rows)), pinDir: join(mounted, 'large') });
  const hash = bpf.map('hash');
  for (let n = 0; n < rows; n++) hash.update(key(n), value(BigInt(n) << 8n));
  const listed = new Map(
    hash.entries().map(([k, v]) => [Buffer.from(k).readUInt32LE(), Buffer.from(v).readBigUInt64LE()] as const),
  );
  assert.equal(listed.size, rows);
  for (const [n, v] of listed) assert.equal(v, BigInt(n) << 8n);
});

test('a test run gives verdict, packet and context, and counts on one CPU', () => {
  using bpf = openBpf({ object: compile('run', source(counting)), pinDir: join(mounted, 'run') });
  const [program, counts] = [bpf.program('probe'), bpf.map('counts')];
  const plain = program.testRun({ data: packet });
  assert.equal(plain.retval, 0);
  assert.deepEqual(plain.dataOut, packet);
  bpf.map('hash').update(key(0), value(99n));
  const marked = program.testRun({ data: packet, ctx: { mark: 7 } });
  assert.deepEqual([marked.retval, marked.ctxOut.mark], [2, 99]);
  assert.equal(program.testRun({ data: packet, ctx: { gsoSize: 1400, gsoSegs: 2 } }).retval, 1400);
  program.testRun({ data: packet, repeat: 10 });
  const sum = () => counts.lookupPerCpu(key(0)).reduce((n, v) => n + Buffer.from(v).readBigUInt64LE(), 0n);
  assert.equal(sum(), 13n);
  counts.zeroPerCpu(key(0));
  assert.equal(sum(), 0n);
  assert.deepEqual(counts.lookupPerCpu(key(2)), []);
  assert.throws(() => program.testRun({ data: new Uint8Array(3) }), { code: 'KERNEL' });
});

test('the error of a program that the verifier refuses has the verifier’s words', () => {
  const object = compile('bad', source('return *(int *)(long)skb->data;'));
  assert.throws(
    () => openBpf({ object, pinDir: join(mounted, 'bad') }),
    (e: HeddleError<'KERNEL'>) => e.code === 'KERNEL' && /invalid access to packet/.test(e.details.extack ?? ''),
  );
});

test('an object whose map is of another size than the pinned one, or than the table, is refused', () => {
  const pinDir = join(mounted, 'size');
  openBpf({ object: compile('size4', source(counting, 4)), pinDir })[Symbol.dispose]();
  const object = compile('size8', source(counting, 8));
  assert.throws(
    () => openBpf({ object, pinDir }),
    (e: HeddleError<'KERNEL'>) => e.details.errno === 'EINVAL' && /hash/.test(e.details.extack ?? ''),
  );
  const shapes = { hash: { keySize: 4, valueSize: 8, maxEntries: 4 } };
  assert.throws(() => openBpf({ object, pinDir: join(mounted, 'size8'), shapes }), { code: 'INTERNAL' });
  assert.equal(existsSync(join(mounted, 'size8', 'probe')), false);
  assert.throws(() => openBpf({ object: join(dir, 'none.o'), pinDir }), { code: 'KERNEL' });
});

test('a filter is put in place once, replaced by another program; a foreign one is left alone', () => {
  using scratch = scratchNetns();
  const { nl } = scratch;
  const { ifindex } = scratch.bridge('br');
  const object = compile('filter', source(counting));
  using one = openBpf({ object, pinDir: join(mounted, 'f1') });
  using two = openBpf({ object, pinDir: join(mounted, 'f2') });
  assert.deepEqual(listFilters(nl, ifindex, 'ingress'), []);
  assert.throws(() => ensureFilter(nl, ifindex, 'ingress', one.program('probe')), { code: 'KERNEL' });
  ensureClsact(nl, ifindex);
  ensureClsact(nl, ifindex);
  assert.equal(ensureFilter(nl, ifindex, 'ingress', one.program('probe')), true);
  assert.equal(ensureFilter(nl, ifindex, 'ingress', one.program('probe')), false);
  assert.equal(ensureFilter(nl, ifindex, 'ingress', two.program('probe')), true);
  const { id, tag } = two.program('probe');
  assert.deepEqual(listFilters(nl, ifindex, 'ingress'), [
    { name: 'heddle:probe', progId: id, tag, prio: 1, handle: 1 },
  ]);
  assert.deepEqual(listFilters(nl, ifindex, 'egress'), []);
  const tc = (...args: string[]) => execFileSync('nsenter', [`--net=${scratch.path}`, 'tc', ...args]);
  tc(
    'filter',
    'add',
    'dev',
    'br',
    'egress',
    'prio',
    '1',
    'handle',
    '1',
    'bpf',
    'da',
    'pinned',
    join(mounted, 'f1/probe'),
  );
  const foreign = listFilters(nl, ifindex, 'egress');
  assert.equal(foreign.length, 1);
  assert.throws(
    () => ensureFilter(nl, ifindex, 'egress', one.program('probe')),
    (e: HeddleError<'KERNEL'>) => e.details.errno === 'EEXIST',
  );
  assert.deepEqual(listFilters(nl, ifindex, 'egress'), foreign);
});

test('a program runs first by tcx, where the kernel has it, and one of its name takes its place', () => {
  const [major = 0, minor = 0] = release().split('.').map(Number);
  const hasTcx = major > 6 || (major === 6 && minor >= 6);
  using scratch = scratchNetns();
  const { nl } = scratch;
  const { ifindex } = scratch.bridge('br');
  using foreign = openBpf({
    object: compile('foreign', source(counting).replace('probe', 'stranger')),
    pinDir: join(mounted, 't0'),
  });
  using one = openBpf({ object: compile('passing', source('return -1;')), pinDir: join(mounted, 't1') });
  using two = openBpf({ object: compile('taking', source('return 2;')), pinDir: join(mounted, 't2') });
  ensureClsact(nl, ifindex);
  assert.deepEqual(listTcx(nl, ifindex, 'ingress'), []);
  ensureTcx(nl, ifindex, 'ingress', foreign.program('stranger'));
  for (const bpf of [one, one, two]) {
    ensureTcx(nl, ifindex, 'ingress', bpf.program('probe'));
    const order = [bpf.program('probe'), foreign.program('stranger')].map(({ name, id }) => ({ name, progId: id }));
    assert.deepEqual(listTcx(nl, ifindex, 'ingress'), hasTcx ? order : []);
  }
  ensureNoTcx(nl, ifindex, 'ingress', 'probe');
  assert.equal(listTcx(nl, ifindex, 'ingress').length, hasTcx ? 1 : 0);
});

test('an ingress qdisc in clsact’s place is named in the error', () => {
  using scratch = scratchNetns();
  const { ifindex } = scratch.bridge('br');
  execFileSync('nsenter', [`--net=${scratch.path}`, 'tc', 'qdisc', 'add', 'dev', 'br', 'ingress']);
  assert.throws(() => ensureClsact(scratch.nl, ifindex), /ingress qdisc/);
  using nl = openNetlink(scratch.ns);
  assert.throws(
    () => ensureClsact(nl, 4711),
    (e: HeddleError<'KERNEL'>) => e.details.errno === 'ENODEV',
  );
});
