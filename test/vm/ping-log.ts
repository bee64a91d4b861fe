/** Pings at a steady rate, each known by its number: what was lost, and when. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

const everyMs = 10;

/** What became of them. */
export interface PingTally {
  readonly name: string;
  /** Pings from the first answered to the last answered one. */
  readonly sent: number;
  readonly lost: number;
  /** Answers beyond the first to a ping. */
  readonly doubled: number;
  /** The longest run of lost ones, as time. */
  readonly gapMs: number;
  /** Between two answers, the longest: also what was late counts. */
  readonly silenceMs: number;
}

/** A hundred pings a second out of a network namespace, from its making until it is stopped. */
export class PingLog implements AsyncDisposable {
  readonly #name: string;
  readonly #ping: ChildProcess;
  readonly #answers = new Map<number, number>();
  readonly #ended: Promise<unknown>;
  readonly #begun = Promise.withResolvers<void>();
  #doubled = 0;
  #silenceMs = 0;
  #lastMs: number | undefined;

  constructor(name: string, netns: string, ip: string) {
    this.#name = name;
    const argv = [`--net=${netns}`, '--', 'ping', '-n', '-D', '-i', `${everyMs / 1000}`, ip];
    this.#ping = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#ended = once(this.#ping, 'close');
    createInterface({ input: this.#ping.stdout! }).on('line', (line) => this.#line(line));
  }

  /** Resolves with the first answer. */
  get begun(): Promise<void> {
    return this.#begun.promise;
  }
  /** So many answers have come. */
  get answered(): number {
    return this.#answers.size;
  }

  async stop(): Promise<PingTally> {
    this.#ping.kill('SIGINT');
    await this.#ended;
    const numbers = [...this.#answers.keys()].sort((a, b) => a - b);
    const [first = 0, last = 0] = [numbers[0], numbers.at(-1)];
    const gaps = numbers.slice(1).map((n, i) => n - numbers[i]! - 1);
    const sent = numbers.length === 0 ? 0 : last - first + 1;
    return {
      name: this.#name,
      sent,
      lost: sent - numbers.length,
      doubled: this.#doubled,
      gapMs: Math.max(0, ...gaps) * everyMs,
      silenceMs: Math.round(this.#silenceMs),
    };
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#ping.kill('SIGKILL');
    await this.#ended;
  }

  #line(line: string): void {
    const [, at, number] = /^\[([\d.]+)\] \d+ bytes from .*icmp_seq=(\d+) /.exec(line) ?? [];
    if (number === undefined) return;
    const atMs = Number(at) * 1000;
    if (this.#lastMs !== undefined) this.#silenceMs = Math.max(this.#silenceMs, atMs - this.#lastMs);
    this.#lastMs = atMs;
    if (this.#answers.has(Number(number))) this.#doubled++;
    this.#answers.set(Number(number), atMs);
    this.#begun.resolve();
  }
}
