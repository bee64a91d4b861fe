import { type Io, paint } from './io.ts';

/** Steps of something that takes seconds, on standard error: one line that changes on a terminal, a line a step elsewhere. */
export interface Progress extends Disposable {
  step(text: string): void;
  /** The last word; the line stays. */
  done(text: string): void;
}

/** @param quiet says nothing at all */
export function progress(io: Io, quiet = false): Progress {
  const began = performance.now();
  const live = io.colour;
  let open = false;
  const clear = () => {
    if (open) io.err('\r\u001b[K');
    open = false;
  };
  const line = (text: string) => {
    const seconds = ((performance.now() - began) / 1000).toFixed(1).padStart(5);
    return `${paint(io, 'dim', `${seconds} s`)}  ${text}`;
  };
  return {
    step(text) {
      if (quiet) return;
      clear();
      io.err(live ? line(text) : `${line(text)}\n`);
      open = live;
    },
    done(text) {
      if (quiet) return;
      clear();
      io.err(`${line(text)}\n`);
    },
    [Symbol.dispose]: clear,
  };
}
