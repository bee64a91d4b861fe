/** An agent's end of the stream, for tests. */
import { once } from 'node:events';
import WebSocket from 'ws';
import type { AgentMessage, Changes, ControllerMessage, Hello } from '../model/host-state.ts';
import { PROTOCOL } from '../model/host-state.ts';

export class TestAgent implements Disposable {
  readonly socket: WebSocket;
  readonly received: ControllerMessage[] = [];
  /** Called for each message, after it is in `received`. */
  onMessage: (message: ControllerMessage) => void = () => {};
  #news = Promise.withResolvers<void>();

  /** `address`: "http://127.0.0.1:7470" or "unix:/path". */
  constructor(address: string) {
    const url = address.startsWith('unix:') ? `ws+unix:${address.slice(5)}:` : address.replace(/^http/, 'ws');
    this.socket = new WebSocket(`${url}/v1/stream`, { perMessageDeflate: false });
    this.socket.on('error', () => this.#wake());
    this.socket.on('close', () => this.#wake());
    this.socket.on('message', (data) => {
      const message = JSON.parse(String(data)) as ControllerMessage;
      this.received.push(message);
      this.onMessage(message);
      this.#wake();
    });
  }
  send(message: AgentMessage): void {
    this.socket.send(JSON.stringify(message));
  }
  async hello(fields: Partial<Hello> = {}): Promise<this> {
    if (this.socket.readyState !== WebSocket.OPEN) await once(this.socket, 'open');
    const about = { name: 'h1', vtep: '198.18.0.1', mtuBytes: 1500, version: '0', kernel: '6' };
    this.send({ type: 'hello', protocol: PROTOCOL, ...about, ...fields });
    return this;
  }
  /** The first message that fits, received already or to come; an error if the connection ends before. */
  async next<T extends ControllerMessage['type']>(
    type: T,
    fits: (m: Extract<ControllerMessage, { type: T }>) => boolean = () => true,
  ): Promise<Extract<ControllerMessage, { type: T }>> {
    for (;;) {
      const found = this.received.find((m) => m.type === type && fits(m as never));
      if (found) return found as never;
      if (this.socket.readyState > WebSocket.OPEN) throw new Error(`the stream ended without ${type}`);
      await this.#news.promise;
    }
  }
  /** The end of the first whole state. */
  synced(): Promise<Changes> {
    return this.next('changes', (m) => m.synced);
  }
  async closed(): Promise<void> {
    while (this.socket.readyState !== WebSocket.CLOSED) await this.#news.promise;
  }
  [Symbol.dispose](): void {
    this.socket.terminate();
  }
  #wake(): void {
    this.#news.resolve();
    this.#news = Promise.withResolvers<void>();
  }
}
