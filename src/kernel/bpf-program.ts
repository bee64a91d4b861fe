/** BPF programs by file descriptor, and running them on a packet of ours (BPF_PROG_TEST_RUN). */

import { closeSync } from 'node:fs';
import koffi from 'koffi';
import { bpf, check, checkKind } from './bpf-library.ts';

/** Fields of struct __sk_buff that a test run may set or shows afterwards; the rest must be zero. */
export interface SkbContext {
  readonly mark?: number;
  readonly priority?: number;
  /** The device that it comes in by; it must exist in the own namespace. */
  readonly ingressIfindex?: number;
  readonly ifindex?: number;
  readonly gsoSegs?: number;
  readonly gsoSize?: number;
  readonly wireLen?: number;
  /** Five 32-bit words. */
  readonly cb?: readonly number[];
}
export interface TestRun {
  readonly data: Uint8Array;
  readonly ctx?: SkbContext;
  /** Times to run; more than one makes the duration an average. */
  readonly repeat?: number;
}
export interface TestResult {
  /** TC_ACT_*, unsigned. */
  readonly retval: number;
  readonly dataOut: Uint8Array;
  readonly ctxOut: Required<SkbContext>;
  /** Average of one run, ns. */
  readonly durationNs: number;
}

/** A loaded program. */
export interface BpfProgram extends Disposable {
  readonly name: string;
  readonly fd: number;
  readonly id: number;
  /** Hash of its instructions, 16 hex digits: equal for equal code. */
  readonly tag: string;
  /** @throws KERNEL, among others with EINVAL for a frame of less than 14 bytes or a context that the kernel refuses */
  testRun(run: TestRun): TestResult;
}

const SKB_SIZE = 192;
const OUT_ROOM = 65_536;
const at = { mark: 8, priority: 32, ingressIfindex: 36, ifindex: 40, cb: 48, wireLen: 160, gsoSegs: 164, gsoSize: 176 };

function encodeContext(ctx: SkbContext): Uint8Array {
  const out = new Uint8Array(SKB_SIZE);
  const v = new DataView(out.buffer);
  for (const [name, value] of Object.entries(ctx) as [keyof SkbContext, number | readonly number[]][])
    for (const [i, n] of [value].flat().entries()) v.setUint32(at[name] + 4 * i, n, true);
  return out;
}
function decodeContext(bytes: Uint8Array): Required<SkbContext> {
  const v = new DataView(bytes.buffer, bytes.byteOffset);
  const read = (name: keyof typeof at) => v.getUint32(at[name], true);
  return {
    mark: read('mark'),
    priority: read('priority'),
    ingressIfindex: read('ingressIfindex'),
    ifindex: read('ifindex'),
    wireLen: read('wireLen'),
    gsoSegs: read('gsoSegs'),
    gsoSize: read('gsoSize'),
    cb: Array.from({ length: 5 }, (_, i) => v.getUint32(at.cb + 4 * i, true)),
  };
}

/** struct bpf_test_run_opts of bpf/bpf.h, for a scheduler classifier. */
function runOnPacket(fd: number, name: string, { data, ctx, repeat }: TestRun): TestResult {
  const dataOut = new Uint8Array(OUT_ROOM);
  const ctxIn = ctx && encodeContext(ctx);
  const ctxOut = new Uint8Array(SKB_SIZE);
  const opts = new Uint8Array(80);
  const v = new DataView(opts.buffer);
  v.setBigUint64(0, 80n, true);
  v.setBigUint64(8, koffi.address(data), true);
  v.setBigUint64(16, koffi.address(dataOut), true);
  v.setUint32(24, data.length, true);
  v.setUint32(28, dataOut.length, true);
  if (ctxIn) v.setBigUint64(32, koffi.address(ctxIn), true);
  v.setBigUint64(40, koffi.address(ctxOut), true);
  v.setUint32(48, ctxIn?.length ?? 0, true);
  v.setUint32(52, ctxOut.length, true);
  v.setInt32(60, repeat ?? 1, true);
  check(bpf.testRun(fd, opts), 'test run', `program ${name}`);
  return {
    retval: v.getUint32(56, true),
    dataOut: dataOut.slice(0, v.getUint32(28, true)),
    ctxOut: decodeContext(ctxOut),
    durationNs: v.getUint32(64, true),
  };
}

/** struct bpf_prog_info of linux/bpf.h. */
function programInfo(fd: number, object: string): Uint8Array {
  const info = new Uint8Array(232);
  check(bpf.info(fd, info, Uint32Array.of(info.length)), 'get info', object);
  return info;
}

/** The name that a program was loaded with, of at most 15 characters. */
export const programName = (fd: number): string =>
  Buffer.from(programInfo(fd, `program ${fd}`).subarray(64, 80))
    .toString('latin1')
    .replace(/\0.*/s, '');

/** Takes over `fd`; `close` is false when someone else closes it. */
export function programOfFd(name: string, fd: number, close: boolean): BpfProgram {
  const info = programInfo(fd, `program ${name}`);
  return {
    name,
    fd,
    id: new DataView(info.buffer).getUint32(4, true),
    tag: Buffer.from(info.subarray(8, 16)).toString('hex'),
    testRun: (run) => runOnPacket(fd, name, run),
    [Symbol.dispose]() {
      if (close) closeSync(fd);
    },
  };
}

/** Opens a pinned program; its name is the path's last segment. @throws KERNEL with ENOENT */
export function openPinnedProgram(path: string): BpfProgram {
  const fd = check(bpf.get(path), 'open pinned program', path);
  try {
    checkKind(fd, 'bpf-prog', path);
    return programOfFd(path.slice(path.lastIndexOf('/') + 1), fd, true);
  } catch (e) {
    closeSync(fd);
    throw e;
  }
}
