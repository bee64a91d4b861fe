/** Commands run inside a guest, through its virtio port: test/vm/image/init.sh is the other end. */
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import type { Ran } from '../../src/lab/run.ts';

/** One guest's shell. It outlasts reboots of the guest. */
export class GuestShell {
  readonly #write: Writable;
  readonly #console: () => string;
  readonly #asked = new Map<string, PromiseWithResolvers<Ran>>();
  readonly #boots: PromiseWithResolvers<void>[] = [];
  #booted = 0;
  #next = 0;
  #gone = false;

  /** `console`: what the guest's kernel wrote, for errors. */
  constructor(read: Readable, write: Writable, console: () => string) {
    this.#write = write;
    this.#console = console;
    // A guest that was killed closes the pipe while we write: the end of the reading side says so.
    write.on('error', () => undefined);
    createInterface({ input: read })
      .on('line', (line) => this.#line(line))
      .on('close', () => this.#end());
  }

  /** How often the guest has come up. */
  get boots(): number {
    return this.#booted;
  }
  /** Resolves when the guest has come up so many times. */
  up(times = 1): Promise<void> {
    for (let n = this.#boots.length; n < times; n++) this.#boots.push(quiet(Promise.withResolvers<void>()));
    const boot = this.#boots[times - 1]!;
    if (times <= this.#booted) boot.resolve();
    else if (this.#gone) boot.reject(this.#failure('did not come up'));
    return boot.promise;
  }

  /** Runs a shell script in the guest; it is killed after so many seconds, and ends with 137. */
  exec(script: string, seconds = 20): Promise<Ran> {
    const id = `${++this.#next}`;
    const asked = Promise.withResolvers<Ran>();
    if (this.#gone) asked.reject(this.#failure(`cannot run ${script}`));
    else {
      this.#asked.set(id, asked);
      this.#write.write(`${id} ${seconds} ${Buffer.from(script).toString('base64')}\n`);
    }
    return asked.promise;
  }
  /** A script that must succeed; its standard output. */
  async must(script: string, seconds?: number): Promise<string> {
    const { code, stdout, stderr } = await this.exec(script, seconds);
    if (code !== 0) throw new Error(`in the guest, ${script} ended with ${code}: ${stdout}${stderr}`);
    return stdout;
  }

  #line(line: string): void {
    const [id = '', code, stdout, stderr] = line.trim().split(' ');
    if (id === 'ready') {
      this.#failAll('was started anew');
      this.#booted++;
      this.#boots[this.#booted - 1]?.resolve();
      return;
    }
    this.#asked.get(id)?.resolve({ code: Number(code), stdout: decode(stdout), stderr: decode(stderr) });
    this.#asked.delete(id);
  }
  #end(): void {
    this.#gone = true;
    this.#failAll('is gone');
    for (const boot of this.#boots.slice(this.#booted)) boot.reject(this.#failure('did not come up'));
  }
  #failAll(what: string): void {
    for (const asked of this.#asked.values()) asked.reject(this.#failure(what));
    this.#asked.clear();
  }
  #failure = (what: string): Error => new Error(`the guest ${what}; its console:\n${this.#console()}`);
}

const decode = (field = ''): string => Buffer.from(field.slice(1), 'base64').toString();

/** Nobody may be waiting when it is rejected. */
function quiet<T>(promise: PromiseWithResolvers<T>): PromiseWithResolvers<T> {
  promise.promise.catch(() => undefined);
  return promise;
}
