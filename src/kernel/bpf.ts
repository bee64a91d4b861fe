/** Loading a BPF object: its maps and programs pinned, so that they outlive the agent and a later one finds them. */
import { mkdirSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import { HeddleError } from '../model/errors.ts';
import { bpf, check, type Pointer, withLog } from './bpf-library.ts';
import { type BpfMap, type MapShape, mapOfFd } from './bpf-map.ts';
import { type BpfProgram, programOfFd } from './bpf-program.ts';
import { hasErrno, kernelError, mount, umount } from './libc.ts';

export { type BpfMap, type MapShape, openPinnedMap, updateFlags } from './bpf-map.ts';
export { type BpfProgram, openPinnedProgram, type SkbContext, type TestResult, type TestRun } from './bpf-program.ts';

const BPF_FS_MAGIC = 0xcafe4a11;

/** By what a bpffs that was mounted here is known; others' have names of their own. */
const mountName = 'heddle';

/** Makes sure that a bpffs is at `dir`, which is made if need be. @throws HOST_MISMATCH if others have made it, KERNEL */
export function ensureBpffs(dir: string): void {
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  requireOwn(dir);
  if (statfsSync(dir).type >>> 0 === BPF_FS_MAGIC) return;
  mount(mountName, dir, 'bpf', 0, 'mode=0700');
}

/** Whose folder it is may put other maps in the place of those that are pinned there. @throws HOST_MISMATCH */
function requireOwn(dir: string): void {
  const { uid, mode } = statSync(dir);
  // In a sticky one everybody's things are safe from others.
  if (uid === process.geteuid!() && ((mode & 0o022) === 0 || (mode & 0o1000) !== 0)) return;
  throw new HeddleError('HOST_MISMATCH', {
    problem: `user ${uid} or others may change what is in ${dir}: remove it, or choose another --bpf-dir`,
  });
}

/** Takes a bpffs off that {@link ensureBpffs} has mounted, unless something is in it or in use; one that was there stays. */
export function leaveBpffs(dir: string): void {
  // What has a dot in its name the kernel itself puts there.
  const isEmpty = readdirSync(dir).every((name) => name.includes('.'));
  if (!isEmpty || mountAt(realpathSync(dir)) !== `bpf ${mountName}`) return;
  try {
    umount(dir, 0);
  } catch (e) {
    if (!hasErrno(e, 'EBUSY')) throw e;
  }
}

/** Type and name of the topmost mount at a path, if there is any: proc_pid_mountinfo(5). */
function mountAt(path: string): string | undefined {
  const escaped = path.replace(/[ \t\n\\]/g, (c) => `\\${c.charCodeAt(0).toString(8).padStart(3, '0')}`);
  const mounts = readFileSync('/proc/thread-self/mountinfo', 'utf8').split('\n');
  const top = mounts.findLast((line) => line.split(' ')[4] === escaped);
  return top && / - (\S+ \S+)/.exec(top)?.[1];
}

/** Removes the pin directories of other layouts (12 hex digits) beside `keep`; what still runs of them runs on. */
export function removeOtherPins(dir: string, keep: string): void {
  for (const name of readdirSync(dir))
    if (name !== keep && /^[0-9a-f]{12}$/.test(name)) rmSync(`${dir}/${name}`, { recursive: true });
}

/** A loaded object. Disposing closes it here; what is pinned stays. */
export interface BpfObject extends Disposable {
  readonly maps: ReadonlyMap<string, BpfMap>;
  readonly programs: ReadonlyMap<string, BpfProgram>;
  /** @throws INTERNAL if the object has no such map */
  map(name: string): BpfMap;
  /** @throws INTERNAL if the object has no such program */
  program(name: string): BpfProgram;
}

export interface BpfOptions {
  /** The object file. */
  readonly object: string;
  /** A directory in a bpffs; made if need be. */
  readonly pinDir: string;
  /** What the named maps must be like; checked before a program that uses them is pinned. */
  readonly shapes?: Readonly<Record<string, MapShape>>;
}

/**
 * Loads the object. Maps already pinned in `pinDir` are used with all their rows, the others are made and pinned;
 * programs are pinned in place of older ones, each in one step.
 * @throws KERNEL with libbpf's log, which ends in the verifier's for a refused program, and with EINVAL when a pinned map
 * has another shape; INTERNAL when a map is not of its `shapes` entry; HOST_MISMATCH if others may change the directory
 */
export function openBpf({ object, pinDir, shapes = {} }: BpfOptions): BpfObject {
  mkdirSync(pinDir, { recursive: true, mode: 0o700 });
  requireOwn(pinDir);
  const opened = withLog((): Pointer => bpf.open(object, null));
  if (opened.result === null) throw kernelError(2, 'open BPF object', object, opened.log);
  const handle = opened.result;
  try {
    for (const map of each(handle, bpf.nextMap))
      if (!bpf.mapIsInternal(map)) check(bpf.setPinPath(map, `${pinDir}/${bpf.mapName(map)}`), 'set pin path', object);
    const loaded = withLog(() => bpf.load(handle) as number);
    check(loaded.result, 'load BPF object', object, loaded.log);
    return ofHandle(handle, pinDir, shapes);
  } catch (e) {
    bpf.closeObject(handle);
    throw e;
  }
}

function* each(handle: Pointer, next: (object: Pointer, after: Pointer) => Pointer): Generator<Pointer> {
  for (let p = next(handle, null); p !== null; p = next(handle, p)) yield p;
}

function ofHandle(handle: Pointer, pinDir: string, shapes: Readonly<Record<string, MapShape>>): BpfObject {
  const maps = new Map<string, BpfMap>();
  for (const p of each(handle, bpf.nextMap)) {
    const name: string = bpf.mapName(p);
    maps.set(name, mapOfFd(name, bpf.mapFd(p), false));
  }
  for (const [name, want] of Object.entries(shapes)) checkShape(need(maps, 'map', name), want);
  const programs = new Map<string, BpfProgram>();
  for (const p of each(handle, bpf.nextProgram)) {
    const name: string = bpf.programName(p);
    programs.set(name, programOfFd(name, bpf.programFd(p), false));
    pinInPlace(bpf.programFd(p), pinDir, name);
  }
  let open = true;
  return {
    maps,
    programs,
    map: (name) => need(maps, 'map', name),
    program: (name) => need(programs, 'program', name),
    [Symbol.dispose]() {
      if (open) bpf.closeObject(handle);
      open = false;
    },
  };
}

function need<T>(from: ReadonlyMap<string, T>, what: string, name: string): T {
  const found = from.get(name);
  if (found === undefined) throw new HeddleError('INTERNAL', { problem: `the BPF object has no ${what} ${name}` });
  return found;
}

function checkShape(map: BpfMap, want: MapShape): void {
  for (const field of ['keySize', 'valueSize', 'maxEntries'] as const)
    if (map.shape[field] !== want[field])
      throw new HeddleError('INTERNAL', {
        problem: `BPF map ${map.name}: ${field} is ${map.shape[field]}, want ${want[field]}; build the object again`,
      });
}

/** Pins beside and renames over, so that there is always a program at the path. Names in a bpffs have no dots. */
function pinInPlace(fd: number, dir: string, name: string): void {
  const beside = `${dir}/${name}_new`;
  rmSync(beside, { force: true });
  check(bpf.pin(fd, beside), 'pin program', beside);
  renameSync(beside, `${dir}/${name}`);
}
