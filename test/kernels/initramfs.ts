/** The guest's initramfs: busybox, the modules that reach the host's root file system, and the job to run there. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { chmod, copyFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { type Kernel, modulesInOrder } from './kernel.ts';

/** What the guest's init needs before it can load more on demand. */
const bootModules = ['virtio_pci', 'virtio_console', '9pnet_virtio', '9p', 'overlay'];
const guest = join(import.meta.dirname, 'guest');

/** Files of the job by name, below /run/job in the guest. */
export type Job = Readonly<Record<'command' | 'environment', string>>;

/** Writes the archive `dir`/initramfs, by way of a tree below `dir`; gives its path. */
export async function writeInitramfs(dir: string, kernel: Kernel, job: Job): Promise<string> {
  const tree = join(dir, 'tree');
  await mkdir(join(tree, 'bin'), { recursive: true });
  await mkdir(join(tree, 'modules'));
  await mkdir(join(tree, 'job'));
  await copyFile('/bin/busybox', join(tree, 'bin/busybox'));
  await copyFile(join(guest, 'init.sh'), join(tree, 'init'));
  await chmod(join(tree, 'init'), 0o755);
  await copyFile(join(guest, 'start.sh'), join(tree, 'job/start.sh'));
  await chmod(join(tree, 'job/start.sh'), 0o755);
  for (const [name, text] of Object.entries(job)) await writeFile(join(tree, 'job', name), text);
  const modules = await modulesInOrder(kernel, bootModules);
  for (const path of modules) await copyFile(path, join(tree, 'modules', basename(path)));
  await writeFile(join(tree, 'modules/order'), modules.map((path) => `${basename(path)}\n`).join(''));
  return archive(tree, join(dir, 'initramfs'));
}

/** Packs a tree as the kernel unpacks it; gives the archive's path. */
export async function archive(tree: string, to: string): Promise<string> {
  const paths = await readdir(tree, { recursive: true });
  const cpio = spawn('busybox', ['cpio', '-o', '-H', 'newc'], { cwd: tree, stdio: ['pipe', 'pipe', 'ignore'] });
  const closed = once(cpio, 'close');
  cpio.stdin.end(paths.map((path) => `${path}\n`).join(''));
  await pipeline(cpio.stdout, createWriteStream(to));
  const [code] = await closed;
  if (code !== 0) throw new Error(`cpio ended with ${code}`);
  return to;
}
