/** The socket of the authorization plug-in, in Docker's protocol for those (pkg/authorization/api.go of the engine). */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { Type } from '#typebox';
import { listenUnix } from '../../listen/unix-socket.ts';
import { compileCheck } from '../../listen/validate.ts';
import { toProblem } from '../../model/errors.ts';

/** The engine sends bodies of up to 1 MiB, in base64. */
const bodyLimit = 4 << 20;
const mediaType = 'application/vnd.docker.plugins.v1.2+json';

const Text = Type.Optional(Type.String());
/** What the engine says of a request: a field that it leaves out is empty. */
const AuthZRequest = Type.Object({
  User: Text,
  UserAuthNMethod: Text,
  RequestMethod: Text,
  RequestUri: Text,
  /** Base64. */
  RequestBody: Type.Optional(Type.Union([Type.String(), Type.Null()])),
  /** Of a header that is there twice the last one. */
  RequestHeaders: Type.Optional(Type.Union([Type.Record(Type.String(), Type.String()), Type.Null()])),
});
export type AuthZRequest = Type.Static<typeof AuthZRequest>;
const check = compileCheck(AuthZRequest);

/** Resolves if a request is allowed. @throws what is to be told to who asks */
export type Judge = (request: AuthZRequest) => Promise<void>;

/** Serves on a unix socket that only root can open. Disposing waits for what is being judged. @throws USAGE */
export async function serveAuthz(socket: string, judge: Judge, log: Logger): Promise<AsyncDisposable> {
  const running = new Set<Promise<void>>();
  const server = createServer(
    // As of the driver's socket: an idle connection is the engine's to close.
    { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 5_000, keepAliveTimeout: 0 },
    (request, response) => {
      const call = serve(judge, log, request, response);
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

/** Whatever goes wrong is a refusal: of an answer that is none the engine would not know. */
async function serve(judge: Judge, log: Logger, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = (body: object, status = 200) => {
    if (!request.complete) response.setHeader('connection', 'close');
    if (!response.destroyed) response.writeHead(status, { 'content-type': mediaType }).end(JSON.stringify(body));
  };
  switch (request.url) {
    case '/Plugin.Activate':
      return answer({ Implements: ['authz'] });
    case '/AuthZPlugin.AuthZRes':
      // The engine has done it by now; only what it tells could be kept back.
      return answer({ Allow: true });
    case '/AuthZPlugin.AuthZReq':
      try {
        await judge(await read(request));
        return answer({ Allow: true });
      } catch (e) {
        const { code, detail } = toProblem(e);
        if (code === 'INTERNAL') log.error({ err: e }, 'a request to the engine could not be judged');
        return answer({ Allow: false, Msg: detail });
      }
    default:
      return answer({ Err: 'there is no such method' }, 404);
  }
}

/** @throws INVALID, and whatever a broken connection throws */
async function read(request: IncomingMessage): Promise<AuthZRequest> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += (part as Buffer).length;
    if (size > bodyLimit) throw new Error('the engine sends more than it ever does');
    parts.push(part as Buffer);
  }
  const value: unknown = JSON.parse(Buffer.concat(parts).toString('utf8'));
  check(value);
  return value as AuthZRequest;
}
