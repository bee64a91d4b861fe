/** What a command talks to: the terminal or a test. */
export interface Io {
  out(text: string): void;
  err(text: string): void;
  /** Colours are wanted there: a terminal and no NO_COLOR (no-color.org). */
  readonly colour: boolean;
  /** Aborted by SIGINT, SIGTERM and SIGHUP. Until a command asks for it, these end the process as usual. */
  readonly signal: AbortSignal;
}

/** The process's own terminal, environment and signals. */
export function processIo(): Io {
  let stop: AbortController | undefined;
  const stopped = (): AbortSignal => {
    if (stop) return stop.signal;
    const made = new AbortController();
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => made.abort(name));
    stop = made;
    return made.signal;
  };
  // A reader that has seen enough (head, a pager) closes the pipe: that ends the command, quietly.
  process.stdout.on('error', (e: NodeJS.ErrnoException) => {
    if (e.code === 'EPIPE') process.exit(0);
    throw e;
  });
  const terminal = process.stdout.isTTY === true;
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    colour: terminal && !process.env.NO_COLOR,
    get signal() {
      return stopped();
    },
  };
}

const codes = { red: 31, green: 32, yellow: 33, bold: 1, dim: 2 } as const;
/** Text in a colour, where colours are wanted. */
export const paint = (io: Pick<Io, 'colour'>, colour: keyof typeof codes, text: string): string =>
  io.colour ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text;
