/** libbpf 1.x (Debian libbpf1) through koffi: declarations, errors, and its log for them. */
import { readlinkSync } from 'node:fs';
import koffi from 'koffi';
import { kernelError } from './libc.ts';

const lib = koffi.load('libbpf.so.1');
const libc = koffi.load('libc.so.6');
const printer = koffi.proto('int heddle_libbpf_print(int, const char *, void *)');
const vsnprintf = libc.func('int vsnprintf(void *, size_t, const char *, void *)');

/** An opaque struct pointer of libbpf. */
export type Pointer = bigint | null;

export const bpf = {
  open: lib.func('void *bpf_object__open_file(const char *, void *)'),
  load: lib.func('int bpf_object__load(void *)'),
  closeObject: lib.func('void bpf_object__close(void *)'),
  nextMap: lib.func('void *bpf_object__next_map(void *, void *)'),
  mapName: lib.func('const char *bpf_map__name(void *)'),
  mapFd: lib.func('int bpf_map__fd(void *)'),
  mapIsInternal: lib.func('bool bpf_map__is_internal(void *)'),
  setPinPath: lib.func('int bpf_map__set_pin_path(void *, const char *)'),
  nextProgram: lib.func('void *bpf_object__next_program(void *, void *)'),
  programName: lib.func('const char *bpf_program__name(void *)'),
  programFd: lib.func('int bpf_program__fd(void *)'),
  pin: lib.func('int bpf_obj_pin(int, const char *)'),
  get: lib.func('int bpf_obj_get(const char *)'),
  info: lib.func('int bpf_obj_get_info_by_fd(int, void *, void *)'),
  lookup: lib.func('int bpf_map_lookup_elem(int, const void *, void *)'),
  update: lib.func('int bpf_map_update_elem(int, const void *, const void *, uint64_t)'),
  remove: lib.func('int bpf_map_delete_elem(int, const void *)'),
  nextKey: lib.func('int bpf_map_get_next_key(int, const void *, void *)'),
  lookupBatch: lib.func('int bpf_map_lookup_batch(int, void *, void *, void *, void *, uint32_t *, const void *)'),
  progFdById: lib.func('int bpf_prog_get_fd_by_id(uint32_t)'),
  progQuery: lib.func('int bpf_prog_query(int, int, uint32_t, void *, uint32_t *, uint32_t *)'),
  progAttach: lib.func('int bpf_prog_attach_opts(int, int, int, const void *)'),
  progDetach: lib.func('int bpf_prog_detach2(int, int, int)'),
  testRun: lib.func('int bpf_prog_test_run_opts(int, void *)'),
  possibleCpus: lib.func('int libbpf_num_possible_cpus()'),
  setPrint: lib.func('void *libbpf_set_print(heddle_libbpf_print *)'),
};

const DEBUG = 2;
let log: string[] = [];
const buffer = new Uint8Array(1 << 16);
const print = koffi.register((level: number, format: string, args: unknown) => {
  if (level >= DEBUG) return 0;
  const n = vsnprintf(buffer, buffer.length, format, args); // a va_list argument is a pointer on x86-64 and arm64
  log.push(new TextDecoder().decode(buffer.subarray(0, Math.min(n, buffer.length - 1))));
  return n;
}, koffi.pointer(printer));
bpf.setPrint(print);

/** Runs `fn` and gives what libbpf said meanwhile, the verifier's log of a refused program included. */
export function withLog<T>(fn: () => T): { result: T; log: string } {
  log = [];
  const result = fn();
  const said = log.join('').trimEnd();
  log = [];
  return { result, log: said };
}

/** libbpf 1.x returns minus errno everywhere. @throws KERNEL */
export function check(result: number, operation: string, object: string, said?: string): number {
  if (result < 0) throw kernelError(-result, operation, object, said);
  return result;
}

/** Refuses a descriptor of the other kind: the kernel would answer its questions all the same. @throws KERNEL with EINVAL */
export function checkKind(fd: number, kind: 'bpf-map' | 'bpf-prog', object: string): void {
  if (readlinkSync(`/proc/self/fd/${fd}`) !== `anon_inode:${kind}`)
    throw kernelError(22, 'open pinned', object, `it is no ${kind}`);
}
