/** What a test's guest boots: Debian's own kernel, and an initramfs of busybox, a few drivers and tools, and nothing else. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { chmod, copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { promisify } from 'node:util';
import { archive } from '../kernels/initramfs.ts';
import { ensureKernel, modulesInOrder } from '../kernels/kernel.ts';

const run = promisify(execFile);
const project = resolve(import.meta.dirname, '../..');

/** Drivers of what QEMU gives the guest; `button` and `evdev` for its power button. */
const modules = ['virtio_pci', 'virtio_console', 'virtio_net', 'button', 'evdev'];
/** What busybox cannot: offloads, and pings that may not be fragmented. */
const programs = ['/usr/sbin/ethtool', '/usr/bin/ping'];

/** Scripts by where they are in the guest. */
const scripts = { 'init.sh': 'init', 'udhcpc.sh': 'etc/udhcpc/default.script' };

/** Files that QEMU boots. */
export interface GuestImage {
  readonly kernel: string;
  readonly initramfs: string;
}

/** The name of the virtio port by which the guest takes commands. */
export const shellPort = 'heddle.test';

/** Writes the guest's image below a folder of the caller's; 75 MB. `more`: programs that it has too. */
export async function writeGuestImage(dir: string, more: readonly string[] = []): Promise<GuestImage> {
  const kernel = await ensureKernel(join(project, '.cache/kernels'));
  const tree = join(dir, 'guest');
  await mkdir(join(tree, 'modules'), { recursive: true });
  await mkdir(join(tree, 'bin'));
  await copyFile('/bin/busybox', join(tree, 'bin/busybox'));
  for (const [script, to] of Object.entries(scripts)) {
    await copyTo(join(import.meta.dirname, 'image', script), join(tree, to));
    await chmod(join(tree, to), 0o755);
  }
  const drivers = await modulesInOrder(kernel, modules);
  for (const path of drivers) await copyFile(path, join(tree, 'modules', basename(path)));
  await writeFile(join(tree, 'modules/order'), drivers.map((path) => `${basename(path)}\n`).join(''));
  for (const program of [...programs, ...more]) {
    await copyTo(program, join(tree, 'usr/bin', basename(program)));
    for (const library of await librariesOf(program)) await copyTo(library, join(tree, library));
  }
  const plain = await unpackKernel(kernel.image, join(dir, 'guest.vmlinux'));
  return { kernel: plain, initramfs: await archive(tree, join(dir, 'guest.initramfs')) };
}

/**
 * Takes the compressed kernel out of a bzImage (Linux, Documentation/arch/x86/boot.rst: payload_offset): unpacking it takes
 * the interpreter half of a boot, and xz half a second.
 */
async function unpackKernel(image: string, to: string): Promise<string> {
  const bytes = await readFile(image);
  const setupSectors = bytes[0x1f1] || 4;
  const start = (setupSectors + 1) * 512 + bytes.readUInt32LE(0x248);
  const xz = spawn('xz', ['-dc', '--single-stream'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const closed = once(xz, 'close');
  xz.stdin.end(bytes.subarray(start, start + bytes.readUInt32LE(0x24c)));
  await pipeline(xz.stdout, createWriteStream(to));
  const [code] = await closed;
  if (code !== 0) throw new Error(`xz ended with ${code}`);
  return to;
}

async function copyTo(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  await copyFile(from, to);
}

/** Paths of the libraries that a program loads, and of the loader; none of a static one, which ldd says by its exit code. */
async function librariesOf(program: string): Promise<string[]> {
  const { stdout } = await run('ldd', [program]).catch((e: { code?: unknown; stdout: string }) => {
    if (e.code !== 1) throw e;
    return e;
  });
  return [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1]!);
}
