import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';

/** What a flow came to: requests and their answers. */
export interface Tally {
  readonly sent: number;
  readonly received: number;
}

/**
 * A ping every millisecond, or as often as told, out of a network namespace, answered or not, until it is told to stop. They
 * go out in batches of a second, each of which is sent to its end and waits for its last answer: so none is merely under way
 * when they are counted. Between pings that are less than 10 ms apart the program does not sleep: each takes a core then.
 */
export class PingStream implements AsyncDisposable {
  readonly #done: Promise<Tally>;
  #child: ChildProcess | undefined;
  #stopping = false;

  constructor(netns: string, ip: string, { everyMs = 1 } = {}) {
    this.#done = this.#run(netns, ip, everyMs);
    this.#done.catch(() => undefined); // it is for whoever calls stop
  }

  /** Ends it after the batch under way. @throws if not all of a batch were sent */
  stop(): Promise<Tally> {
    this.#stopping = true;
    return this.#done;
  }
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true;
    this.#child?.kill('SIGKILL');
    await Promise.allSettled([this.#done]);
  }

  async #run(netns: string, ip: string, everyMs: number): Promise<Tally> {
    const tally = { sent: 0, received: 0 };
    const batch = Math.round(1000 / everyMs);
    const pace = ['-i', String(everyMs / 1000), '-c', String(batch)];
    const argv = [`--net=${netns}`, '--', 'ping', '-n', '-q', ...pace, '-W', '2', ip];
    do {
      const child = spawn('nsenter', argv, { stdio: ['ignore', 'pipe', 'pipe'] });
      this.#child = child;
      const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
      const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(output) ?? [];
      if (Number(sent) !== batch) throw new Error(`not ${batch} pings sent: ${output}${errors}`);
      tally.sent += batch;
      tally.received += Number(received);
    } while (!this.#stopping);
    return tally;
  }
}
