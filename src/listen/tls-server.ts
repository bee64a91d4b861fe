import { constants } from 'node:crypto';
import type { RequestListener, Server } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { SecureContextOptions } from 'node:tls';

/** What a daemon shows and believes by TLS; all PEM. */
export interface TlsContext {
  readonly key: string;
  /** Its certificate, and behind it what leads to an older authority, while there is one. */
  readonly cert: string;
  /** The authorities of the installation: whose clients are known, where they are asked for their certificates. */
  readonly ca: string;
}
/** The same as it is now, and word of every new one. */
export interface ServerTls {
  readonly context: TlsContext;
  onRenewed(listener: (context: TlsContext) => void): Disposable;
}

/** A server by TLS 1.3 alone; each new certificate is shown from the next handshake on, and ends no connection. */
export function tlsServer(tls: ServerTls, options: ServerOptions, hand: RequestListener): Server {
  const server = createServer({ ...options, ...contextOf(tls.context) }, hand);
  const renewed = tls.onRenewed((context) => server.setSecureContext(contextOf(context)));
  server.once('close', () => renewed[Symbol.dispose]());
  return server;
}

/** All of it: a context that is set takes nothing over from the one before. */
const contextOf = ({ key, cert, ca }: TlsContext): SecureContextOptions => ({
  ...{ key, cert, ca },
  minVersion: 'TLSv1.3',
  // A session that goes on would not be asked for its certificate again.
  secureOptions: constants.SSL_OP_NO_TICKET,
});
