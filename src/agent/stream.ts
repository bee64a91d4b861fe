import WebSocket from 'ws';
import type { CurrentCredentials } from '../client/credentials.ts';
import { failureText, tlsOptions } from '../client/tls.ts';
import { refusalOf } from '../client/transport.ts';
import { fromProblem, HeddleError, hasCode, type Problem } from '../model/errors.ts';
import type {
  AgentMessage,
  Ask,
  Changes,
  ControllerMessage,
  Hello,
  HostWord,
  Report,
  Welcome,
} from '../model/host-state.ts';
import { Pause } from './pause.ts';
import { elsewhereMs, isRefused, isShutOut, shutOutMs } from './verdict.ts';

/** What the agent does with what the controller says. */
export interface StreamListener {
  hello(): Hello;
  welcome(message: Welcome): void;
  changes(message: Changes): void;
  /** The host's certificate is to be renewed now. */
  renew(): void;
  /** The answer to a question, or throws. */
  ask(question: Ask['question']): unknown;
  /** The stream ended, or could not be opened; it is tried again until closed. */
  lost(cause: Error): void;
}

/**
 * Waits between attempts: doubled from the first to the last, with jitter, so that a thousand agents do not return at once. At a
 * controller that does not let this host in, or refuses its hello, the last one is {@link shutOutMs}: it keeps a record of each.
 */
const backoffMs = { first: 50, last: 5_000 } as const;
/** The controller pings every 5 s; so long a silence means that it, or the way to it, is gone. */
const silenceMs = 15_000;

/** The one stream to the controller: opened again for ever, with backoff, until disposed. */
export class ControllerStream {
  readonly #url: string;
  readonly #credentials: CurrentCredentials | undefined;
  readonly #listener: StreamListener;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  #socket: WebSocket | undefined;
  #refusal: HeddleError | undefined;
  /** The connection that there is, or was last, has come to its welcome. */
  #welcomed = false;
  /** Ends the wait between two attempts. */
  readonly #pause = new Pause();
  /** What was said of this host, as JSON. */
  #hello = '';

  /** `controller`: "https://address:port" or "unix:/path"; the first with credentials. @throws USAGE for another one */
  constructor(controller: string, credentials: CurrentCredentials | undefined, listener: StreamListener) {
    this.#credentials = credentials;
    this.#url = urlOf(controller);
    this.#listener = listener;
    this.#done = this.#run();
  }

  /** Sends a report if connected; if not, the whole is reported after the next welcome. */
  report(report: Omit<Report, 'type'>): void {
    this.#send({ type: 'report', ...report });
  }

  /** Says of this host what others must know, if connected. */
  tell(word: HostWord): void {
    this.#send(word);
  }

  /** Begins the stream anew if what it said of this host at its beginning has changed. */
  refresh(): void {
    if (this.connected && JSON.stringify(this.#listener.hello()) !== this.#hello) this.#socket?.close();
  }

  /** Begins the stream anew, with the credentials that are current now. */
  reopen(): void {
    this.#socket?.close();
    this.#pause.end();
  }

  /** Why the controller does not let this host in, if so. */
  get refusal(): HeddleError | undefined {
    return this.#refusal;
  }

  get connected(): boolean {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#pause.end();
    this.#socket?.terminate();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    let last: number = backoffMs.last;
    for (let wait: number = backoffMs.first; !signal.aborted; wait = Math.min(wait * 2, last)) {
      const opened = Date.now();
      try {
        await this.#session();
      } catch (cause) {
        // Of what is refused after the welcome the next one may be another.
        const isOut = isShutOut(cause) || (!this.#welcomed && isRefused(cause));
        this.#refusal = isOut ? (cause as HeddleError) : undefined;
        if (!signal.aborted) this.#listener.lost(cause as Error);
      }
      if (Date.now() - opened > backoffMs.last) wait = backoffMs.first;
      last = longestMs(this.#refusal);
      if (!signal.aborted) await this.#pause.wait(wait * (0.5 + Math.random() / 2));
    }
  }

  /** One connection, until it ends. @throws always, with the reason, unless it was closed on purpose */
  #session(): Promise<never> {
    this.#welcomed = false;
    const socket = new WebSocket(this.#url, {
      perMessageDeflate: false,
      handshakeTimeout: 5_000,
      ...(this.#credentials && tlsOptions(this.#credentials())),
    });
    this.#socket = socket;
    return new Promise((_, reject) => {
      const silence = setTimeout(() => socket.terminate(), silenceMs);
      socket.on('open', () => {
        const hello = this.#listener.hello();
        this.#hello = JSON.stringify(hello);
        this.#send(hello);
      });
      socket.on('ping', () => silence.refresh());
      socket.on('error', (cause) => reject(new Error(failureText(cause), { cause })));
      socket.on('unexpected-response', (_request, response) => {
        refusalOf(response, (problem) => new Error(problem))
          .then(reject, reject)
          .finally(() => socket.terminate());
      });
      socket.on('close', (code) => {
        clearTimeout(silence);
        reject(new Error(`the stream was closed (${code})`));
      });
      socket.on('message', (data) => {
        silence.refresh();
        try {
          this.#receive(JSON.parse(data.toString()) as ControllerMessage);
        } catch (cause) {
          reject(cause);
          socket.terminate();
        }
      });
    });
  }

  #receive(message: ControllerMessage): void {
    switch (message.type) {
      case 'welcome':
        this.#refusal = undefined;
        this.#welcomed = true;
        this.#listener.welcome(message);
        break;
      case 'changes':
        this.#listener.changes(message);
        break;
      case 'ask':
        this.#answer(message);
        break;
      case 'renew':
        this.#listener.renew();
        break;
      case 'refusal':
        throw fromProblem(message.problem as Problem);
    }
  }

  #answer({ id, question }: Ask): void {
    try {
      this.#send({ type: 'answer', id, result: this.#listener.ask(question) });
    } catch (e) {
      this.#send({ type: 'answer', id, problem: { detail: (e as Error).message.slice(0, 500) } });
    }
  }

  #send(message: AgentMessage): void {
    if (this.connected) this.#socket!.send(JSON.stringify(message));
  }
}

/** The longest wait before it is asked again, milliseconds. */
function longestMs(refusal: HeddleError | undefined): number {
  if (!refusal) return backoffMs.last;
  return hasCode(refusal, 'HOST_MISMATCH') && refusal.details.connectedFrom !== undefined ? elsewhereMs : shutOutMs;
}

function urlOf(controller: string): string {
  const [, scheme, rest] = /^(unix:|https:)(.+)$/.exec(controller) ?? [];
  if (rest === undefined) throw new HeddleError('USAGE', { problem: `"${controller}" is no address of a controller` });
  return scheme === 'unix:' ? `ws+unix:${rest}:/v1/stream` : `wss:${rest}/v1/stream`;
}
