import { HeddleError } from '../model/errors.ts';
import type { Identify } from './admission.ts';
import type { Authority } from './authority.ts';
import { shownOn } from './host-sockets.ts';
import { isLocal } from './listen.ts';
import type { Oidc } from './oidc.ts';
import { fastifyPath, trustPaths } from './paths.ts';
import { rootHere } from './principal.ts';
import { bearerOf } from './tokens.ts';

/** By this route a host whose certificate has expired gets another one. */
const renewal = fastifyPath(trustPaths.certificate);

/** What those who come from elsewhere are known by. */
export interface IdentifyOptions {
  readonly authority: () => Promise<Pick<Authority, 'identify'>>;
  readonly oidc?: Pick<Oidc, 'verifyJwt'> | undefined;
}

/** Who sends a request: by which socket it came, the certificate that its client has shown, or the token that is in it. */
export const identifyBy =
  ({ authority, oidc }: IdentifyOptions): Identify =>
  async (request, world, now) => {
    const { socket } = request.raw;
    if (isLocal(socket)) return rootHere;
    const certificate = shownOn(socket);
    if (certificate) {
      const isRenewal = request.routeOptions.url === renewal;
      return { kind: 'host', ...(await authority()).identify(certificate.raw, isRenewal) };
    }
    const byToken = bearerOf(world, request, now);
    if (byToken) return byToken;
    const shown = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (shown === undefined) return undefined;
    if (!oidc) throw new HeddleError('TOKEN_INVALID', { problem: 'it is none of this controller’s' });
    return { kind: 'user', via: 'oidc', ...(await oidc.verifyJwt(shown)) };
  };
