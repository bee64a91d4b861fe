import { X509Certificate } from 'node:crypto';
import type { AddressInfo } from 'node:net';
import Fastify, { LogController } from 'fastify';
import type { Logger } from 'pino';
import { type Observed, serveObserved } from '../listen/observed-routes.ts';
import { endWhole, httpsAddress, listening, parseTcp } from '../listen/tcp.ts';
import { type ServerTls, type TlsContext, tlsServer } from '../listen/tls-server.ts';
import { withoutSchemas } from '../listen/without-schemas.ts';
import { HeddleError } from '../model/errors.ts';
import { AGENT_NAME, isAgentServer } from '../trust/identity.ts';

/** Most connections at once: scrapers need one each. */
const CONNECTIONS_MAX = 64;
/** Milliseconds; a connection stays open between two scrapes. */
const times = { handshakeTimeout: 10_000, headersTimeout: 10_000, requestTimeout: 10_000, keepAliveTimeout: 72_000 };

/** Why a host that has not joined cannot. */
export const noCertificate = (): HeddleError =>
  new HeddleError('USAGE', {
    problem:
      '--metrics-listen is by TLS with the host’s certificate, and this host has none: heddle agent join <controller> <token> gets it one',
  });

const nameless =
  `the controller is of a version that gives no certificate with the name ${AGENT_NAME}, which scrapers ask for: upgrade it and ` +
  'restart the agent, or read the metrics on the agent’s socket';

/** The host's certificate, as this needs it. */
export interface ServedCertificate extends ServerTls {
  /** Has it renewed although it is not time. */
  renewNow(): void;
}

/**
 * Serves metrics and readiness, and nothing else, by TLS 1.3 with the host's certificate, whose name there is that of all hosts. No
 * credential is asked for: whoever reaches it reads how much the host carries, and no tenant's names.
 * @returns where it listens, as "https://127.0.0.1:9470"
 * @throws USAGE if it is no address to listen on, or cannot be listened on
 */
export async function serveMetrics(
  listen: string,
  observed: Observed,
  own: ServedCertificate,
  log: Logger,
): Promise<AsyncDisposable & { readonly address: string }> {
  const where = parseTcp(listen, 9470);
  const app = Fastify({
    loggerInstance: log as never,
    ...withoutSchemas,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: 1,
  });
  serveObserved(app as never, () => observed);
  await app.ready();
  const server = tlsServer(own, times, (request, response) => app.routing(request, response));
  server.maxConnections = CONNECTIONS_MAX;
  server.once('drop', () => log.warn(`${CONNECTIONS_MAX} connections are open for metrics: more are turned away`));
  const end = endWhole(server);
  await listening(server, () => server.listen(where));
  const named = ({ cert }: TlsContext) => isAgentServer(new X509Certificate(cert));
  // Not asked for again before it is time: the answer would be the same.
  const renewed = own.onRenewed((context) => {
    if (!named(context)) log.warn(nameless);
  });
  if (!named(own.context)) {
    log.warn(`the certificate is from before it had the name ${AGENT_NAME}: it is renewed now, and served until then`);
    own.renewNow();
  }
  return {
    address: httpsAddress(server.address() as AddressInfo),
    async [Symbol.asyncDispose]() {
      renewed[Symbol.dispose]();
      end();
      await app.close();
    },
  };
}
