import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { isArray, maps } from '../../src/datapath/layouts.ts';
import { object, openDatapath } from './harness.ts';

interface BtfStruct {
  readonly kind: string;
  readonly name: string;
  readonly size: number;
  readonly members: readonly { readonly name: string; readonly bits_offset: number }[];
}
const INSTRUCTIONS_MAX = 1_000_000;

test('every field lies where the object’s BTF has it', () => {
  const { types } = JSON.parse(
    execFileSync('bpftool', ['-j', 'btf', 'dump', 'file', object], { encoding: 'utf8' }),
  ) as { types: BtfStruct[] };
  for (const m of Object.values(maps)) {
    for (const layout of [m.key, m.value]) {
      // Arrays have a plain integer as key.
      if (isArray(m) && layout === m.key) continue;
      const struct = types.find((t) => t.kind === 'STRUCT' && t.name === layout.name);
      assert.ok(struct, `no struct ${layout.name}`);
      assert.equal(struct.size, layout.size, layout.name);
      assert.deepEqual(new Map(struct.members.map((f) => [f.name, f.bits_offset / 8])), layout.offsets, layout.name);
    }
  }
});

test('the loaded maps have the table’s types and sizes', () => {
  using d = openDatapath();
  for (const [name, m] of Object.entries(maps))
    assert.deepEqual(d.bpf.map(name).shape, { keySize: m.key.size, valueSize: m.value.size, maxEntries: m.max }, name);
});

test('the verifier accepts every program within a quarter of its limit', (t) => {
  using d = openDatapath();
  assert.deepEqual([...d.bpf.programs.keys()].sort(), [
    'from_port',
    'from_segment',
    'from_underlay',
    'from_vxlan',
    'pass_marked',
    'to_host',
    'to_underlay',
  ]);
  for (const [name, program] of d.bpf.programs) {
    const info = readFileSync(`/proc/self/fdinfo/${program.fd}`, 'utf8');
    const verified = Number(/^verified_insns:\s*(\d+)$/m.exec(info)?.[1]);
    t.diagnostic(`${name}: ${verified} instructions verified`);
    assert.ok(verified > 0 && verified <= INSTRUCTIONS_MAX / 4, `${name}: ${verified}`);
  }
});
