import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { openDurable, overwriteBeginning, readDurable, removeDurable, writeDurable } from './durable.ts';

/** Records of one kind, on disk (one file each) and in memory, by a key of their own. */
export class Records<T> {
  readonly #directory: string;
  readonly #keyOf: (record: T) => string;
  readonly #all = new Map<string, T>();

  /** Reads what is there; a file that holds no record (the machine fell while it was written) is as good as none. */
  constructor(directory: string, keyOf: (record: T) => string) {
    this.#directory = directory;
    this.#keyOf = keyOf;
    for (const path of openDurable(directory)) {
      const record = parse<T>(readDurable(path));
      if (record) this.#all.set(keyOf(record), record);
    }
  }

  get = (key: string): T | undefined => this.#all.get(key);
  values = (): MapIterator<T> => this.#all.values();

  /** Outlives the process when this returns; with `sync` also the machine's fall. */
  put(record: T, options: { sync: boolean }): void {
    const key = this.#keyOf(record);
    writeDurable(this.#path(key), JSON.stringify(record), options);
    this.#all.set(key, record);
  }
  /** In memory alone, until it is put; on disk, of one that is there, at most how its text begins. */
  hold(record: T, beginning?: string): void {
    const key = this.#keyOf(record);
    if (beginning !== undefined) overwriteBeginning(this.#path(key), beginning);
    this.#all.set(key, record);
  }
  remove(key: string): void {
    removeDurable(this.#path(key));
    this.#all.delete(key);
  }

  /** A key that may stand in a path names the file itself; others by their hash. */
  #path(key: string): string {
    const name = /^[A-Za-z0-9-]{1,64}$/.test(key) ? key : createHash('sha256').update(key).digest('hex');
    return join(this.#directory, `${name}.json`);
  }
}

function parse<T>(text: string | undefined): T | undefined {
  try {
    return text === undefined ? undefined : ((JSON.parse(text) as T | null) ?? undefined);
  } catch (e) {
    if (e instanceof SyntaxError) return undefined;
    throw e;
  }
}
