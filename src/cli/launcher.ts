/** How to call `heddle` again: what is printed to be pasted must work where it is read. */
import { existsSync, realpathSync } from 'node:fs';
import { delimiter, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder, with a '/' at its end. */
export const projectRoot = fileURLToPath(new URL('../../', import.meta.url));

/** "heddle" if the PATH leads to this very launcher, "./heddle" in its folder, else its whole path. */
export function launcher(path = process.env.PATH ?? '', cwd = process.cwd()): string {
  const here = realpathSync(join(projectRoot, 'heddle'));
  const first = path
    .split(delimiter)
    .map((dir) => join(dir, 'heddle'))
    .find((file) => existsSync(file));
  if (first && realpathSync(first) === here) return 'heddle';
  return relative(cwd, projectRoot) === '' ? './heddle' : `${projectRoot}heddle`;
}

/** The same for commands that need root: with sudo, if that is how this one came to be root. */
export const rootLauncher = (): string => `${process.env.SUDO_USER ? 'sudo ' : ''}${launcher()}`;
