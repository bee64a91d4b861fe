/** TCP connections between workloads that go on while something is done to the agents. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Tally } from '../traffic/ping-stream.ts';
import type { Workload } from './workload.ts';

const echo = fileURLToPath(new URL('echo.ts', import.meta.url));
const node = [process.execPath, '--disable-warning=ExperimentalWarning', echo];

/** A program that runs until it is told to stop; then it says what it saw. */
export class Flow implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown>;
  #text = '';

  private constructor(from: Workload, argv: readonly string[]) {
    const [file = '', ...args] = from.argv(argv);
    this.#child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.#child.stdout, this.#child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#text += text;
      });
    this.#ended = once(this.#child, 'close');
  }

  /** One byte to and fro on one TCP connection to `ip`, where `at` echoes. */
  static tcp(from: Workload, at: Workload, ip: string): Promise<Flow> {
    return Flow.#echoed(from, at, ip, 'ask');
  }
  /** So many idle TCP connections to `ip`, where `at` echoes; each is used once when it is stopped. */
  static async held(from: Workload, at: Workload, ip: string, count: number): Promise<Flow> {
    const flow = await Flow.#echoed(from, at, ip, 'hold', String(count));
    await flow.said(/^held\n/);
    return flow;
  }
  static async #echoed(from: Workload, at: Workload, ip: string, role: string, ...more: string[]): Promise<Flow> {
    const server = new Flow(at, [...node, 'serve', ip]);
    const [, port = ''] = await server.said(/listening on (\d+)\./);
    const client = new Flow(from, [...node, role, ip, port, ...more]);
    client.#child.once('close', () => server.#child.kill('SIGKILL'));
    return client;
  }

  /** Resolves when the program's output has this in it. */
  async said(what: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const found = what.exec(this.#text);
      if (found) return found;
      if (this.#child.exitCode !== null) throw new Error(`ended early: ${this.#text}`);
      await Promise.race([once(this.#child.stdout!, 'data'), this.#ended]);
    }
  }

  /** Ends it; it waits for the answers that are under way. @throws with what became of a connection that has ended */
  async stop(): Promise<Tally> {
    this.#child.kill('SIGINT');
    await this.#ended;
    const tally = this.#text.split('\n').find((line) => line.startsWith('{'));
    if (tally === undefined) throw new Error(`a flow ended with: ${this.#text}`);
    return JSON.parse(tally) as Tally;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#ended;
  }
}
