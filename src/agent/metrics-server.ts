import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import Fastify, { LogController } from 'fastify';
import type { Logger } from 'pino';
import { type Observed, serveObserved } from '../listen/observed-routes.ts';
import { withoutSchemas } from '../listen/without-schemas.ts';
import { HeddleError } from '../model/errors.ts';

/** Most connections at once: scrapers need one each. */
const CONNECTIONS_MAX = 64;

/**
 * Serves metrics and readiness, and nothing else, on a TCP address. There is no TLS and no credential: whoever reaches it reads
 * how much the host carries, and no tenant's names.
 * @returns where it listens, as "http://127.0.0.1:9470"
 * @throws USAGE if it is no address to listen on, or cannot be listened on
 */
export async function serveMetrics(
  listen: string,
  observed: Observed,
  log: Logger,
): Promise<AsyncDisposable & { readonly address: string }> {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([0-9.]+)):(\d{1,5})$/.exec(listen);
  const host = match?.[1] ?? match?.[2];
  if (!match || !host || Number(match[3]) > 65_535)
    throw new HeddleError('USAGE', {
      problem: `"${listen}" is no address to serve metrics on: write 127.0.0.1:9470 or [::1]:9470`,
    });
  const app = Fastify({
    loggerInstance: log as never,
    ...withoutSchemas,
    logController: new LogController({ disableRequestLogging: true }),
    requestTimeout: 10_000,
    forceCloseConnections: true,
    bodyLimit: 1,
  });
  serveObserved(app as never, () => observed);
  const server: Server = app.server;
  server.maxConnections = CONNECTIONS_MAX;
  try {
    await app.listen({ host, port: Number(match[3]) });
  } catch (cause) {
    await app.close();
    throw new HeddleError('USAGE', { problem: `cannot serve metrics: ${(cause as Error).message}` }, cause);
  }
  const { address, family, port } = server.address() as AddressInfo;
  return {
    address: `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`,
    [Symbol.asyncDispose]: () => app.close(),
  };
}
