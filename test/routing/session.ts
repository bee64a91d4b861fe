/** A TCP connection that sends a line every 50 ms and counts what comes back, in a namespace. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';

const client = `
  import { connect } from 'node:net';
  const socket = connect({ host: process.argv[1], port: Number(process.argv[2]) });
  socket.on('data', (text) => process.stdout.write(text.toString().replace(/[^\\n]/g, '')));
  socket.on('close', () => process.exit(1));
  socket.on('error', () => process.exit(1));
  setInterval(() => socket.write('line\\n'), 50);
`;

export class Session implements AsyncDisposable {
  readonly #child: ChildProcess;
  /** Lines that came back. */
  answers = 0;

  constructor(netns: string, address: string, port: number) {
    const node = [process.execPath, '--input-type=module', '-e', client, address, `${port}`];
    this.#child = spawn('nsenter', [`--net=${netns}`, '--', ...node], { stdio: ['ignore', 'pipe', 'inherit'] });
    this.#child.stdout!.on('data', (lines: Buffer) => {
      this.answers += lines.length;
    });
  }

  /** It has not ended by itself. */
  get isOpen(): boolean {
    return this.#child.exitCode === null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isOpen) return;
    const ended = once(this.#child, 'close');
    this.#child.kill();
    await ended;
  }
}
