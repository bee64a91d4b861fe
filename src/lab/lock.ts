import { createServer } from 'node:net';
import { HeddleError } from '../model/errors.ts';

/**
 * Holds a lab's name while it is made or removed. The lock is an abstract unix socket: the kernel frees it when its
 * process ends, however it ends.
 * @throws LAB_BUSY if another process holds it
 */
export async function lockLab(name: string): Promise<AsyncDisposable> {
  const server = createServer();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', (cause: NodeJS.ErrnoException) =>
    reject(
      cause.code === 'EADDRINUSE'
        ? new HeddleError('LAB_BUSY', { name })
        : new HeddleError('LAB_FAILED', { problem: 'cannot take its lock' }, cause),
    ),
  );
  server.listen(`\0heddle/lab/${name}`, resolve);
  await promise;
  return {
    [Symbol.asyncDispose]: () => new Promise((done) => server.close(() => done())),
  };
}
