/** Logins by an OpenID provider from a command line: the device flow (RFC 8628), and what keeps one going. */
import { HeddleError } from '../../model/errors.ts';
import type { OidcSettings } from '../../model/login.ts';
import { parseIssuer, providerFetch } from '../../trust/provider.ts';
import { printable } from '../table.ts';
import type { OidcLogin } from './contexts.ts';

/** What a person must be shown: where to go, and what to say there. */
export interface Invitation {
  readonly uri: string;
  /** The same with the code in it. */
  readonly completeUri?: string;
  readonly code: string;
  readonly expiresInS: number;
}

/** Seconds by which the provider's clock may differ from this machine's. */
const CLOCK_SECONDS = 60;

/**
 * Has somebody log in at the provider, on any device that has a browser.
 * @throws LOGIN_REFUSED, PROVIDER_UNREACHABLE; an abort passes unchanged
 */
export async function logInByDevice(
  settings: OidcSettings,
  invite: (invitation: Invitation) => void,
  signal: AbortSignal,
): Promise<OidcLogin> {
  return asked(settings.issuer, signal, async (oidc) => {
    const provider = await configure(oidc, settings);
    const grant = await oidc.initiateDeviceAuthorization(provider, { scope: settings.scopes.join(' ') });
    invite({
      uri: printable(grant.verification_uri),
      ...(grant.verification_uri_complete !== undefined && { completeUri: printable(grant.verification_uri_complete) }),
      code: printable(grant.user_code),
      expiresInS: grant.expires_in,
    });
    const ended = AbortSignal.timeout(grant.expires_in * 1000);
    const waiting = { signal: AbortSignal.any([signal, ended]) };
    const tokens = await oidc.pollDeviceAuthorizationGrant(provider, grant, undefined, waiting).catch((e: unknown) => {
      throw ended.aborted ? refused(settings.issuer, 'nobody has logged in in time', e) : e;
    });
    return loginOf(settings, tokens, undefined);
  });
}

/** The same login with a token that holds longer. @throws LOGIN_REFUSED if the provider wants to see the person again, PROVIDER_UNREACHABLE */
export async function renewLogin(login: OidcLogin): Promise<OidcLogin> {
  const { issuer, refreshToken } = login;
  if (refreshToken === undefined) throw refused(issuer, 'it gives no second token without a login');
  return asked(issuer, undefined, async (oidc) =>
    loginOf(login, await oidc.refreshTokenGrant(await configure(oidc, login), refreshToken), refreshToken),
  );
}

/** Tells the provider that a login is over (RFC 7009). @throws LOGIN_REFUSED, PROVIDER_UNREACHABLE */
export async function endLogin(login: OidcLogin): Promise<void> {
  const { refreshToken, issuer } = login;
  if (refreshToken === undefined) return;
  await asked(issuer, undefined, async (oidc) => {
    const provider = await configure(oidc, login);
    if (provider.serverMetadata().revocation_endpoint === undefined) return;
    await oidc.tokenRevocation(provider, refreshToken, { token_type_hint: 'refresh_token' });
  });
}

// Only who logs in waits for it to load.
type Library = typeof import('openid-client');
type Registered = Pick<OidcSettings, 'issuer' | 'clientId' | 'ca'>;

async function configure(oidc: Library, { issuer, clientId, ca }: Registered) {
  const isPlain = parseIssuer(issuer).protocol === 'http:';
  return oidc.discovery(new URL(issuer), clientId, { [oidc.clockTolerance]: CLOCK_SECONDS }, oidc.None(), {
    [oidc.customFetch]: (url, request) => providerFetch(issuer, ca)(url, request),
    ...(isPlain && { execute: [oidc.allowInsecureRequests] }),
  });
}

type Tokens = Awaited<ReturnType<Library['refreshTokenGrant']>>;

function loginOf({ issuer, clientId, ca }: Registered, tokens: Tokens, before: string | undefined): OidcLogin {
  const { id_token: idToken, refresh_token: refreshToken = before } = tokens;
  const expires = tokens.claims()?.exp;
  if (idToken === undefined || expires === undefined) throw refused(issuer, 'it has sent no ID token');
  return {
    ...{ issuer, clientId, idToken, expiresAt: new Date(expires * 1000).toISOString() },
    ...(ca !== undefined && { ca }),
    ...(refreshToken !== undefined && { refreshToken }),
  };
}

/** Asks a provider; what goes wrong comes in our codes. */
async function asked<T>(
  issuer: string,
  signal: AbortSignal | undefined,
  ask: (oidc: Library) => Promise<T>,
): Promise<T> {
  try {
    return await ask(await import('openid-client'));
  } catch (e) {
    signal?.throwIfAborted();
    throw ours(issuer, e);
  }
}

/** What a provider refuses with, in words (RFC 6749 §5.2, RFC 8628 §3.5). */
const words: Readonly<Record<string, string>> = {
  access_denied: 'the login was refused there',
  expired_token: 'nobody has logged in in time',
  invalid_grant: 'the login is over',
  invalid_client: 'it does not know this client',
  unauthorized_client: 'this client may not log in in this way',
  invalid_scope: 'it does not know what is asked for (--oidc-scope of the controller)',
};

function ours(issuer: string, e: unknown): HeddleError {
  for (let at: unknown = e; at instanceof Error; at = at.cause) if (at instanceof HeddleError) return at;
  const {
    error,
    error_description: told,
    message,
  } = e as { error?: string; error_description?: string; message: string };
  if (typeof error !== 'string')
    return new HeddleError('PROVIDER_UNREACHABLE', { issuer, problem: printable(message) }, e);
  const description = typeof told === 'string' ? ` (${printable(told.slice(0, 200))})` : '';
  return refused(issuer, `${words[error] ?? printable(error.slice(0, 80))}${description}`, e);
}

const refused = (issuer: string, problem: string, cause?: unknown) =>
  new HeddleError('LOGIN_REFUSED', { issuer, problem }, cause);
