/** A socket on which the engine calls one of its plug-ins: HTTP, with JSON bodies. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { listenUnix } from '../listen/unix-socket.ts';
import { HeddleError } from '../model/errors.ts';

/** Of every answer. */
export const mediaType = 'application/vnd.docker.plugins.v1.2+json';

/**
 * Serves on a unix socket that only root can open. Disposing waits for the calls under way.
 * @param serve answers one; it does not throw
 * @throws USAGE
 */
export async function servePluginSocket(
  socket: string,
  serve: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): Promise<AsyncDisposable> {
  const running = new Set<Promise<void>>();
  const server = createServer(
    // An idle connection is the engine's to close: of a call that it sends into one that we are closing it has no body for
    // a second try. It sends into an old one if we sleep for a while, or just as the time is over.
    { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 5_000, keepAliveTimeout: 0 },
    (request, response) => {
      const call = serve(request, response);
      running.add(call);
      void call.finally(() => running.delete(call));
    },
  );
  server.on('clientError', (_, connection) => connection.destroy());
  await listenUnix(server, socket);
  return {
    async [Symbol.asyncDispose]() {
      server.close();
      await Promise.all(running);
      server.closeAllConnections();
    },
  };
}

/** @throws TOO_LARGE, BAD_REQUEST if the connection ends in the middle of it */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  try {
    for await (const part of request) {
      size += (part as Buffer).length;
      if (size > limitBytes) throw new HeddleError('TOO_LARGE', { limitBytes });
      parts.push(part as Buffer);
    }
  } catch (e) {
    if (e instanceof HeddleError) throw e;
    throw new HeddleError('BAD_REQUEST', { problem: (e as Error).message }, e);
  }
  return Buffer.concat(parts).toString('utf8');
}
