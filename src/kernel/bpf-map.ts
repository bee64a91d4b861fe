/** BPF maps by file descriptor: rows as bytes. An update costs about 1 µs. */
import { closeSync } from 'node:fs';
import { HeddleError } from '../model/errors.ts';
import { bpf, check, checkKind } from './bpf-library.ts';
import { errnoName, kernelError } from './libc.ts';

const PERCPU_TYPES = new Set([5, 6, 10, 21]); // PERCPU_HASH, PERCPU_ARRAY, LRU_PERCPU_HASH, PERCPU_CGROUP_STORAGE
const ARRAY = 2; // BPF_MAP_TYPE_ARRAY
const BATCHED_TYPES = new Set([1, ARRAY]); // HASH
/** Rows of a first call. */
const BATCH = 4096;
const ENOENT = 2;
const ENOSPC = 28;
const FULL = new Set(['E2BIG', 'ENOSPC', 'ENOMEM']);

/** What a map must be like; sizes in bytes. */
export interface MapShape {
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
}
/** How `update` treats an existing row: any, only make, only change. */
export const updateFlags = { any: 0, create: 1, change: 2 } as const;

/** An open map. Keys and values are copies of `shape`'s sizes; wrong sizes are refused before the kernel reads them. */
export interface BpfMap extends Disposable {
  readonly name: string;
  readonly fd: number;
  readonly id: number;
  /** The kernel's number of the type, BPF_MAP_TYPE_*. */
  readonly type: number;
  readonly shape: MapShape;
  /** The row, or undefined. Not for per-CPU maps. */
  lookup(key: Uint8Array): Uint8Array | undefined;
  /** The row's value on each possible CPU; none if there is no such row. For per-CPU maps. */
  lookupPerCpu(key: Uint8Array): Uint8Array[];
  /** Sets the row to zeros on every CPU. For per-CPU maps; packets counted meanwhile may be lost. */
  zeroPerCpu(key: Uint8Array): void;
  /** @throws KERNEL_MAP_FULL; KERNEL with EEXIST or ENOENT by `flags` */
  update(key: Uint8Array, value: Uint8Array, flags?: number): void;
  /** False if there was no such row. An array's rows cannot be deleted (EINVAL). */
  delete(key: Uint8Array): boolean;
  /** All keys. Collected before it returns, so that deleting while going through them skips none. */
  keys(): Uint8Array[];
  /** All rows that are still there when they are read, of an array those that are not zeros; of a per-CPU map use `keys` and `lookupPerCpu`. */
  entries(): [key: Uint8Array, value: Uint8Array][];
}

const INFO_SIZE = 88; // struct bpf_map_info up to map_extra; the kernel accepts shorter and longer
/** What the kernel says of a map. */
function mapInfo(fd: number, object: string) {
  const info = new Uint8Array(INFO_SIZE);
  const size = Uint32Array.of(INFO_SIZE);
  check(bpf.info(fd, info, size), 'get info', object);
  const v = new DataView(info.buffer);
  return {
    type: v.getUint32(0, true),
    id: v.getUint32(4, true),
    shape: { keySize: v.getUint32(8, true), valueSize: v.getUint32(12, true), maxEntries: v.getUint32(16, true) },
  };
}

/** Bytes from Node's pool, to be written whole: for a buffer of its own each small row would pay several times its size. */
function pooled(size: number): Uint8Array {
  const { buffer, byteOffset } = Buffer.allocUnsafe(size);
  return new Uint8Array(buffer, byteOffset, size);
}

function isZero(bytes: Uint8Array, from: number, size: number): boolean {
  for (let i = from; i < from + size; i++) if (bytes[i] !== 0) return false;
  return true;
}

/** Takes over `fd`; `close` is false when someone else closes it. */
export function mapOfFd(name: string, fd: number, close: boolean): BpfMap {
  const { type, id, shape } = mapInfo(fd, `map ${name}`);
  const object = `map ${name}`;
  const perCpu = PERCPU_TYPES.has(type);
  const stride = (shape.valueSize + 7) & ~7;
  const cpus = perCpu ? check(bpf.possibleCpus(), 'count CPUs', object) : 1;

  function checkSize(what: string, bytes: Uint8Array, size: number): void {
    if (bytes.length !== size)
      throw new HeddleError('INTERNAL', { problem: `${object}: ${what} of ${bytes.length} bytes, not ${size}` });
  }
  function read(key: Uint8Array): Uint8Array | undefined {
    checkSize('key', key, shape.keySize);
    const value = pooled(perCpu ? stride * cpus : shape.valueSize);
    const r = bpf.lookup(fd, key, value);
    if (r === -ENOENT) return undefined;
    check(r, 'look up', object);
    return value;
  }
  function only(wanted: boolean): void {
    if (perCpu !== wanted)
      throw new HeddleError('INTERNAL', { problem: `${object} is ${perCpu ? '' : 'not '}per CPU` });
  }
  function keys(): Uint8Array[] {
    const found: Uint8Array[] = [];
    let after: Uint8Array | null = null;
    // A row deleted meanwhile by another sends the kernel back to the first: the bound ends that.
    while (found.length < shape.maxEntries) {
      const key = pooled(shape.keySize);
      const r: number = bpf.nextKey(fd, after, key);
      if (r === -ENOENT) break;
      check(r, 'list', object);
      found.push(key);
      after = key;
    }
    return found;
  }

  /** Thousands of rows a call, where one by one takes two calls for each. */
  function batches(): [Uint8Array, Uint8Array][] {
    const { keySize, valueSize } = shape;
    const row = (all: Uint8Array, size: number, i: number) => all.subarray(i * size, (i + 1) * size);
    const found: [Uint8Array, Uint8Array][] = [];
    let after: Uint8Array | null = null;
    for (let most = BATCH; ; ) {
      const [keys, values] = [new Uint8Array(most * keySize), new Uint8Array(most * valueSize)];
      const count = Uint32Array.of(most);
      const last = new Uint8Array(Math.max(keySize, 4));
      const r: number = bpf.lookupBatch(fd, after, last, keys, values, count, null);
      // The rows of one of a hash's buckets come together.
      if (r === -ENOSPC) most *= 2;
      else {
        if (r !== -ENOENT) check(r, 'list', object);
        for (let i = 0; i < count[0]!; i++)
          if (type !== ARRAY || !isZero(values, i * valueSize, valueSize))
            found.push([row(keys, keySize, i), row(values, valueSize, i)]);
        if (r === -ENOENT) return found;
        after = last;
      }
    }
  }

  function update(key: Uint8Array, value: Uint8Array, flags: number): void {
    checkSize('key', key, shape.keySize);
    checkSize('value', value, perCpu ? stride * cpus : shape.valueSize);
    const r = bpf.update(fd, key, value, flags);
    if (r >= 0) return;
    const cause = kernelError(-r, 'update', object);
    if (FULL.has(errnoName(-r)))
      throw new HeddleError('KERNEL_MAP_FULL', { map: name, limit: shape.maxEntries }, cause);
    throw cause;
  }

  return {
    name,
    fd,
    id,
    type,
    shape,
    lookup(key) {
      only(false);
      return read(key);
    },
    lookupPerCpu(key) {
      only(true);
      const all = read(key);
      return Array.from({ length: all ? cpus : 0 }, (_, i) => all!.slice(i * stride, i * stride + shape.valueSize));
    },
    zeroPerCpu(key) {
      only(true);
      update(key, new Uint8Array(stride * cpus), updateFlags.any);
    },
    update: (key, value, flags = updateFlags.any) => update(key, value, flags),
    delete(key) {
      checkSize('key', key, shape.keySize);
      const r = bpf.remove(fd, key);
      if (r === -ENOENT) return false;
      check(r, 'delete from', object);
      return true;
    },
    keys,
    entries() {
      only(false);
      if (BATCHED_TYPES.has(type)) return batches();
      return keys().flatMap((key) => {
        const value = read(key);
        return value ? [[key, value] as [Uint8Array, Uint8Array]] : [];
      });
    },
    [Symbol.dispose]() {
      if (close) closeSync(fd);
    },
  };
}

/** Opens a pinned map; its name is the path's last segment. @throws KERNEL with ENOENT, or EINVAL for a program */
export function openPinnedMap(path: string): BpfMap {
  const fd = check(bpf.get(path), 'open pinned map', path);
  try {
    checkKind(fd, 'bpf-map', path);
    return mapOfFd(path.slice(path.lastIndexOf('/') + 1), fd, true);
  } catch (e) {
    closeSync(fd);
    throw e;
  }
}
