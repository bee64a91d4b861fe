/** A real OpenID provider (the npm package oidc-provider) on loopback. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { Provider } from 'oidc-provider';

export interface TestProvider extends AsyncDisposable {
  readonly issuer: string;
  /** What it is asked, "GET /jwks", in its order. */
  readonly asked: string[];
  /** So many requests for a token are told that they come too often (RFC 8628 §3.5). */
  slowDown: number;
  /** Whether it answers nothing but errors. */
  broken: boolean;
  /** Signs with a new key from now on, and publishes that one alone. */
  rotate(): Promise<void>;
  /** A token that it might have given: signed with its key. */
  sign(claims: object, header?: object): Promise<string>;
}

interface ProviderOptions {
  /** PEM: then by TLS. */
  readonly tls?: { readonly key: string; readonly cert: string };
  /** Seconds for which things hold, as "IdToken" or "DeviceCode". */
  readonly ttl?: Readonly<Record<string, number>>;
  /** What it says of everybody besides the name. */
  readonly claims?: Readonly<Record<string, unknown>>;
}

/** Seconds between two questions of who waits for a login. */
export const INTERVAL = 0.02;

/** Whoever says a name there, on the pages that visitor.ts knows, is let in. */
export async function openProvider({ tls, ttl = {}, claims = {} }: ProviderOptions = {}): Promise<TestProvider> {
  let handler: RequestListener;
  const server = tls ? createTlsServer(tls) : createServer();
  server.on('request', (request, response) => {
    it.asked.push(`${request.method} ${request.url?.split('?')[0]}`);
    if (it.broken) response.writeHead(500).end();
    else handler(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const issuer = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const it: TestProvider = {
    issuer,
    asked: [],
    slowDown: 0,
    broken: false,
    async rotate() {
      const { privateKey } = await generateKeyPair('ES256', { extractable: true });
      const kid = randomUUID();
      const jwk = { ...(await exportJWK(privateKey)), kid, alg: 'ES256', use: 'sig' };
      const provider = new Provider(issuer, configuration(jwk, ttl, claims));
      provider.use(async (ctx, next) => {
        await next();
        if (ctx.oidc?.route === 'device_authorization') ctx.body.interval = INTERVAL;
        if (ctx.oidc?.route === 'token' && it.slowDown > 0) {
          it.slowDown--;
          Object.assign(ctx, { status: 400, body: { error: 'slow_down' } });
        }
      });
      handler = provider.callback();
      it.sign = (payload, header) =>
        new SignJWT({ ...payload }).setProtectedHeader({ alg: 'ES256', kid, ...header }).sign(privateKey);
    },
    sign: () => Promise.reject(new Error('it has no key yet')),
    async [Symbol.asyncDispose]() {
      server.close();
      server.closeAllConnections();
    },
  };
  await it.rotate();
  return it;
}

const configuration = (key: object, ttl: object, claims: Readonly<Record<string, unknown>>): object => ({
  clients: ['heddle', 'other'].map((client_id) => ({
    client_id,
    token_endpoint_auth_method: 'none',
    grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
    id_token_signed_response_alg: 'ES256',
    redirect_uris: [],
    response_types: [],
  })),
  features: { deviceFlow: { enabled: true }, devInteractions: { enabled: true }, revocation: { enabled: true } },
  findAccount: (_: unknown, accountId: string) => ({ accountId, claims: async () => ({ sub: accountId, ...claims }) }),
  // In the ID token too, though there is an access token to ask for them with.
  conformIdTokenClaims: false,
  claims: { openid: ['sub', ...Object.keys(claims)] },
  cookies: { keys: [randomUUID()] },
  jwks: { keys: [key] },
  ttl: { AccessToken: 600, DeviceCode: 600, Grant: 600, IdToken: 600, Interaction: 600, Session: 600, ...ttl },
});
