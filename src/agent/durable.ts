import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

/**
 * Writes a file whole or not at all: to a sibling that is then renamed; files 0600, directories 0700. It outlives the
 * process in any case; with `sync` it is on the disk when this returns (0.1 to 5 ms), so that it outlives the machine's fall,
 * after which a text that it replaced does not come back either.
 */
export function writeDurable(path: string, text: string, { sync }: { sync: boolean }): void {
  const replaces = sync && existsSync(path);
  const sibling = `${path}.new`;
  const fd = openInDirectory(sibling);
  try {
    writeSync(fd, text);
    if (sync) fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(sibling, path);
  if (replaces) syncDirectory(dirname(path));
}

/** An empty file to write to; its directory is made if need be. */
function openInDirectory(path: string): number {
  try {
    return openSync(path, 'w', 0o600);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code !== 'ENOENT') throw e;
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    return openSync(path, 'w', 0o600);
  }
}

/**
 * Writes over the beginning of a file that is there, in place: no more than what a disk writes whole, so that it is the old
 * text or the new one whatever happens. @throws ENOENT
 */
export function overwriteBeginning(path: string, text: string): void {
  const fd = openSync(path, 'r+');
  try {
    writeSync(fd, text, 0);
  } finally {
    closeSync(fd);
  }
}

/** What was renamed in it stays so. */
function syncDirectory(path: string): void {
  const fd = openSync(path, 'r');
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

/** The file's text, or undefined if there is none. */
export function readDurable(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw e;
  }
}

/** Removes the file, if it is there. */
export const removeDurable = (path: string): void => rmSync(path, { force: true });

/**
 * Paths of the directory's files that end in `.json`, sorted; none if there is no directory. Half-written siblings, left by
 * a process that was killed, are removed.
 */
export function openDurable(directory: string): string[] {
  try {
    const names = readdirSync(directory).sort();
    for (const name of names) if (name.endsWith('.json.new')) rmSync(join(directory, name));
    return names.filter((name) => name.endsWith('.json')).map((name) => join(directory, name));
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw e;
  }
}
