import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

type Transport = 'udp' | 'tcp';
/** One question; `edns` is the UDP size that the client takes, bytes. */
export interface Ask {
  readonly op: 'ask';
  readonly server: string;
  readonly name: string;
  readonly type: string;
  readonly transport?: Transport;
  readonly edns?: number;
  readonly timeoutMs?: number;
}
/** A look-up with node's own resolver; for PTR, `name` is an address. */
export interface Resolve {
  readonly op: 'resolve';
  readonly server: string;
  readonly name: string;
  readonly type: 'A' | 'AAAA' | 'PTR';
}
/** Bytes as they are, and the bytes of the answer. */
export interface Raw {
  readonly op: 'raw';
  readonly server: string;
  readonly hex: string;
  readonly transport?: Transport;
  readonly timeoutMs?: number;
}
/** Queries as fast as they can be sent. */
export interface Flood {
  readonly op: 'flood';
  readonly server: string;
  readonly name: string;
  readonly forMs: number;
}
export type Request = Ask | Resolve | Raw | Flood;

/** What an answer was like. */
export interface Answered {
  readonly rcode: number;
  readonly truncated: boolean;
  readonly authoritative: boolean;
  readonly bytes: number;
  readonly data: string[];
  readonly soa?: string;
  readonly edns: boolean;
}

/** A DNS client inside a network namespace; disposing ends it. */
export class DnsClient implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, (answer: { result?: unknown; error?: string }) => void>();
  #n = 0;

  constructor(netns: string) {
    const script = fileURLToPath(new URL('./client.ts', import.meta.url));
    const argv = [`--net=${netns}`, '--', process.execPath, script];
    this.#child = spawn('nsenter', argv, { stdio: ['pipe', 'pipe', 'inherit'] });
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      const { n, ...answer } = JSON.parse(line) as { n: number };
      this.#waiting.get(n)?.(answer);
      this.#waiting.delete(n);
    });
  }

  async #request(request: Request): Promise<unknown> {
    const n = ++this.#n;
    const { promise, resolve } = Promise.withResolvers<{ result?: unknown; error?: string }>();
    this.#waiting.set(n, resolve);
    this.#child.stdin!.write(`${JSON.stringify({ n, ...request })}\n`);
    const { result, error } = await promise;
    if (error !== undefined) throw new Error(error);
    return result;
  }

  ask(server: string, name: string, type = 'A', over: Partial<Ask> = {}): Promise<Answered> {
    return this.#request({ op: 'ask', server, name, type, ...over }) as Promise<Answered>;
  }
  /** Undefined if no server is there, or says nothing in time. */
  async askIfServed(server: string, name: string, type: string, timeoutMs: number): Promise<Answered | undefined> {
    try {
      return await this.ask(server, name, type, { timeoutMs });
    } catch (e) {
      if (['timeout', 'ECONNREFUSED'].includes((e as Error).message)) return undefined;
      throw e;
    }
  }
  /** Addresses or names, sorted; rejects with the resolver's code. */
  resolve(server: string, name: string, type: Resolve['type'] = 'A'): Promise<string[]> {
    return this.#request({ op: 'resolve', server, name, type }) as Promise<string[]>;
  }
  async raw(server: string, bytes: Uint8Array, over: Partial<Raw> = {}): Promise<Buffer> {
    const hex = Buffer.from(bytes).toString('hex');
    return Buffer.from((await this.#request({ op: 'raw', server, hex, ...over })) as string, 'hex');
  }
  /** Resolves with how many queries were sent. */
  flood(server: string, name: string, forMs: number): Promise<number> {
    return this.#request({ op: 'flood', server, name, forMs }) as Promise<number>;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.stdin!.end();
    this.#child.kill();
    if (this.#child.exitCode === null && this.#child.signalCode === null) await ended;
  }
}
