/**
 * Debian 12's own kernel, for the tests on the oldest kernel that Debian supports: downloaded as a package, unpacked into
 * the cache, never installed.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A kernel that QEMU can boot. */
export interface Kernel {
  /** As `uname -r` says it. */
  readonly release: string;
  /** The bzImage. */
  readonly image: string;
  /** What is to be /lib/modules in the guest; modules.dep is in place. */
  readonly modules: string;
}

/**
 * The kernel from `cache`, downloaded (70 MB, checked by apt's signatures) when it is not there yet.
 * A download that was cut off leaves nothing that a later call would take for a kernel.
 */
export async function ensureKernel(cache: string, metapackage = 'linux-image-amd64'): Promise<Kernel> {
  const final = join(cache, metapackage);
  if (!existsSync(final)) {
    await mkdir(cache, { recursive: true });
    const unfinished = await mkdtemp(join(cache, 'unfinished-'));
    try {
      await downloadPackage(metapackage, unfinished);
      await unpack(unfinished);
      await rename(unfinished, final).catch((e: NodeJS.ErrnoException) => {
        // Another test, which downloaded it at the same time, was first.
        if (e.code !== 'ENOTEMPTY' && e.code !== 'EEXIST') throw e;
      });
    } finally {
      await rm(unfinished, { recursive: true, force: true });
    }
  }
  return openKernel(final);
}

async function downloadPackage(metapackage: string, into: string): Promise<void> {
  try {
    await aptDownload(metapackage, into);
  } catch {
    // No package lists, or lists so old that the package they name is gone.
    await run('apt-get', ['update', '-q']);
    await aptDownload(metapackage, into);
  }
}

async function aptDownload(metapackage: string, into: string): Promise<void> {
  const { stdout } = await run('apt-cache', ['depends', '--important', metapackage]);
  const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1];
  if (name === undefined) throw new Error(`apt knows no kernel behind ${metapackage}`);
  // Root's download would be done as the user _apt, who may not write here.
  await run('apt-get', ['download', '-q', '-o', 'APT::Sandbox::User=root', name], { cwd: into });
}

/** Unpacks the package in `dir`, keeps the image and the modules, and writes modules.dep. */
async function unpack(dir: string): Promise<void> {
  const deb = (await readdir(dir)).find((f) => f.endsWith('.deb'));
  if (deb === undefined) throw new Error(`apt-get download left no package in ${dir}`);
  await run('dpkg-deb', ['-x', join(dir, deb), dir]);
  await rm(join(dir, deb));
  await rm(join(dir, 'usr'), { recursive: true, force: true });
  const { release } = await openKernel(dir);
  await run('busybox', ['depmod', '-b', dir, release]);
}

async function openKernel(dir: string): Promise<Kernel> {
  const modules = join(dir, 'lib/modules');
  const [release] = await readdir(modules);
  if (release === undefined) throw new Error(`${modules} is empty`);
  return { release, modules, image: join(dir, 'boot', `vmlinuz-${release}`) };
}

/** Paths of the modules `names` and of all they need, below `modules`, in an order in which they can be loaded. */
export async function modulesInOrder(kernel: Kernel, names: readonly string[]): Promise<string[]> {
  const root = join(kernel.modules, kernel.release);
  const needs = new Map<string, string[]>();
  for (const line of (await readFile(join(root, 'modules.dep'), 'utf8')).split('\n')) {
    const [path, rest] = line.split(':');
    if (path && rest !== undefined) needs.set(path, rest.split(' ').filter(Boolean));
  }
  const ordered = new Set<string>();
  const add = (path: string): void => {
    if (ordered.has(path)) return;
    for (const need of needs.get(path) ?? []) add(need);
    ordered.add(path);
  };
  for (const name of names) {
    const path = [...needs.keys()].find((p) => p.endsWith(`/${name}.ko`));
    if (path === undefined) throw new Error(`kernel ${kernel.release} has no module ${name}`);
    add(path);
  }
  return [...ordered].map((path) => join(root, path));
}
