/** Bulk TCP from and to guests: files by HTTP, compared by their digests. */
import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ran } from '../../src/lab/run.ts';

/** Where everybody serves. */
export const filePort = 8080;

/** Somebody who can run a script. */
export interface End {
  readonly name: string;
  readonly ip4: string;
  readonly ip6: string;
  run(script: string): Promise<Ran>;
}

/** A folder with files of random bytes, named by their size. */
export class Files {
  readonly folder: string;
  readonly #digests = new Map<number, string>();
  private constructor(folder: string) {
    this.folder = folder;
  }
  static async make(dir: string, sizes: readonly number[]): Promise<Files> {
    const files = new Files(join(dir, 'files'));
    await mkdir(files.folder);
    for (const bytes of sizes) {
      const content = randomBytes(bytes);
      await writeFile(join(files.folder, `${bytes}`), content);
      files.#digests.set(bytes, createHash('md5').update(content).digest('hex'));
    }
    return files;
  }

  /** Has `to` fetch a file from `from` by an address; fails unless it is the same to the last byte. */
  async fetch(to: End, from: End, ip: string, bytes: number): Promise<void> {
    const host = ip.includes(':') ? `[${ip}]` : ip;
    const script = `busybox wget -q -O - http://${host}:${filePort}/${bytes} | md5sum`;
    const { stdout, stderr } = await to.run(script);
    const what = `${bytes} bytes from ${from.name} to ${to.name} by ${ip}: ${stderr}`;
    assert.equal(stdout.split(' ')[0], this.#digests.get(bytes), what);
  }
  /** Gives a guest all files, from somebody who serves them, and has it serve them too. */
  async seed(guest: End, from: End): Promise<void> {
    for (const [bytes, digest] of this.#digests) {
      const script = `wget -q -O /srv/${bytes} http://${from.ip4}:${filePort}/${bytes} && md5sum </srv/${bytes}`;
      const { stdout, stderr } = await guest.run(script);
      assert.equal(stdout.split(' ')[0], digest, `${bytes} bytes for ${guest.name}: ${stderr}`);
    }
    assert.equal((await guest.run(`httpd -p ${filePort} -h /srv`)).code, 0);
  }
}
