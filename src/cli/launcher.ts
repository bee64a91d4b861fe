/** How to call `heddle` again: what is printed to be pasted must work where it is read. */
import { existsSync, lstatSync, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, isAbsolute, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder, with a '/' at its end. */
export const projectRoot = fileURLToPath(new URL('../../', import.meta.url));

/** The file to which the PATH leads, if that is this very launcher. */
function onPath(path: string): string | undefined {
  const first = path
    .split(delimiter)
    .map((dir) => join(dir, 'heddle'))
    .find((file) => existsSync(file));
  return first && realpathSync(first) === realpathSync(join(projectRoot, 'heddle')) ? first : undefined;
}

/** "heddle" if the PATH leads to this very launcher, "./heddle" in its folder, else its whole path. */
export function launcher(path = process.env.PATH ?? '', cwd = process.cwd()): string {
  if (onPath(path)) return 'heddle';
  return relative(cwd, projectRoot) === '' ? './heddle' : `${projectRoot}heddle`;
}

/**
 * The launcher for what starts it later, from anywhere: the one on the PATH, which may be a link that an upgrade sets to another
 * version, else this one. Not a link that another than root may set: root is to start it.
 */
export function launcherFile(path = process.env.PATH ?? ''): string {
  const file = onPath(path);
  return file && isAbsolute(file) && isRoots(file) ? file : `${projectRoot}heddle`;
}

/** What people should know of {@link launcherFile}: an upgrade that sets the link on the PATH does not reach what starts this one. */
export function launcherWarning(path = process.env.PATH ?? ''): string | undefined {
  const [onIt, taken] = [onPath(path), launcherFile(path)];
  if (onIt === undefined || onIt === taken) return undefined;
  return `${onIt} may be set by others than root, or is no whole path, so the service starts ${taken}: with an upgrade, install it again`;
}

function isRoots(file: string): boolean {
  const folder = statSync(dirname(file));
  return lstatSync(file).uid === 0 && folder.uid === 0 && (folder.mode & 0o022) === 0;
}

/** The same for commands that need root: with sudo, if that is how this one came to be root. */
export const rootLauncher = (): string => `${process.env.SUDO_USER ? 'sudo ' : ''}${launcher()}`;
