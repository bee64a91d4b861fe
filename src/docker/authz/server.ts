/** The socket of the authorization plug-in, in Docker's protocol for those (pkg/authorization/api.go of the engine). */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { Type } from '#typebox';
import { compileCheck } from '../../listen/validate.ts';
import { toProblem } from '../../model/errors.ts';
import { mediaType, readBody, servePluginSocket } from '../plugin-socket.ts';

/** The engine sends bodies of up to 1 MiB, in base64. */
const bodyLimit = 4 << 20;

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
export const serveAuthz = (socket: string, judge: Judge, log: Logger): Promise<AsyncDisposable> =>
  servePluginSocket(socket, (request, response) => serve(judge, log, request, response));

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
        // What was judged has its line.
        if (code !== 'ENGINE_FORBIDDEN')
          log[code === 'INTERNAL' ? 'error' : 'warn']({ err: e }, 'a request to the engine could not be judged');
        return answer({ Allow: false, Msg: detail });
      }
    default:
      return answer({ Err: 'there is no such method' }, 404);
  }
}

/** @throws INVALID, TOO_LARGE, BAD_REQUEST, SyntaxError */
async function read(request: IncomingMessage): Promise<AuthZRequest> {
  const value: unknown = JSON.parse(await readBody(request, bodyLimit));
  check(value);
  return value as AuthZRequest;
}
