/** An image for engines that have no registry: this machine's static busybox, and nothing else. */
import { copyFileSync, existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { HeddleError } from '../model/errors.ts';
import type { Engine } from './engine.ts';
import { must } from './run.ts';

/** The name of the image; by itself a container of it is a shell. */
export const labImage = 'busybox';
const program = ['/usr/bin/busybox', '/bin/busybox'];

/** Writes the image as a tar archive. @throws LAB_FAILED if the machine has no busybox */
export async function writeImage(archive: string): Promise<void> {
  const busybox = program.find((path) => existsSync(path));
  if (!busybox) throw new HeddleError('LAB_FAILED', { problem: 'there is no busybox (Debian: busybox-static)' });
  const root = `${archive}.root`;
  try {
    for (const folder of ['bin', 'etc', 'tmp', 'www']) mkdirSync(`${root}/${folder}`, { recursive: true });
    copyFileSync(busybox, `${root}/bin/busybox`);
    const names = (await must([busybox, '--list'])).split('\n').filter((name) => name !== '' && name !== 'busybox');
    for (const name of names) symlinkSync('busybox', `${root}/bin/${name}`);
    writeFileSync(`${root}/etc/passwd`, 'root:x:0:0:root:/:/bin/sh\n');
    await must(['tar', '-cf', archive, '--owner=0', '--group=0', '-C', root, '.']);
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
}

/** Gives an engine the image. @throws LAB_FAILED */
export async function importImage(engine: Engine, archive: string): Promise<void> {
  await engine.docker('import', '--change', 'CMD ["sh"]', archive, labImage);
}
