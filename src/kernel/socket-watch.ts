/** A socket's messages as events of Node's loop. */
import { closeSync } from 'node:fs';
import koffi from 'koffi';

/**
 * Calls `read` whenever the non-blocking socket has something, until disposed, which closes it; `read` reads all there is.
 * Keep the returned value: collected as garbage, the watch ends. It keeps no process alive.
 */
export function watchSocket(fd: number, read: (fd: number, isOpen: () => boolean) => void): Disposable {
  let open = true;
  /** koffi's callback gets libuv's status first, which its types do not say. */
  const readable = ((status: number) => {
    // Not here: koffi calls back outside of Node's callback scope, so that promises and exceptions of `read` would hang.
    setImmediate(() => {
      if (!open) return;
      try {
        read(fd, () => open);
      } finally {
        // An overrun makes libuv see an error and stop polling; reading has cleared it.
        if (open && status < 0) poll.start({ readable: true }, readable);
      }
    });
  }) as unknown as () => void;
  const poll = koffi.node.poll(fd, { readable: true }, readable);
  poll.unref();
  return {
    [Symbol.dispose]() {
      if (!open) return;
      open = false;
      poll.close();
      closeSync(fd);
    },
  };
}
