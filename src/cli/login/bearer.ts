import { openClient } from '../../client/client.ts';
import { HeddleError, hasCode } from '../../model/errors.ts';
import { type Context, changeContexts, contextOf, isFresh, type OidcLogin, withContext } from './contexts.ts';

/**
 * What a context's user sends: an API token, or a way to an ID token that still holds. The provider is asked for a new one when the
 * old one ends, by one process at a time: the second refresh with one refresh token is taken for a thief's by most providers.
 */
export function tokenOf(file: string, name: string, { token, oidc }: Context): Credential | undefined {
  if (oidc === undefined) return token;
  let login = oidc;
  return async () => {
    if (!isFresh(login, new Date())) login = await renewed(file, name);
    return login.idToken;
  };
}
type Credential = string | (() => Promise<string>);

/** @throws LOGIN_EXPIRED, PROVIDER_UNREACHABLE, CONTEXTS_UNREADABLE */
async function renewed(file: string, name: string): Promise<OidcLogin> {
  const after = await changeContexts(file, async (before) => {
    const context = contextOf(before, name);
    // Another process may have done it meanwhile.
    if (context.oidc === undefined || isFresh(context.oidc, new Date())) return before;
    const oidc = await renew(name, context.oidc);
    return withContext(before, name, { ...context, ...(await authorityNow(context)), oidc });
  });
  const { oidc } = contextOf(after, name);
  if (oidc === undefined) throw new HeddleError('LOGIN_EXPIRED', { context: name, problem: 'it was logged out' });
  return oidc;
}

/** The authority may have a successor by now: who learns of it in time notices nothing when the old one ends. */
async function authorityNow({ address, ca }: Context): Promise<Pick<Context, 'ca'>> {
  if (ca === undefined) return {};
  try {
    return await openClient(address, { ca }).authority({ deadlineMs: AUTHORITY_MS });
  } catch {
    // Whoever is asked next will say what is wrong.
    return {};
  }
}
const AUTHORITY_MS = 3_000;

async function renew(context: string, login: OidcLogin): Promise<OidcLogin> {
  const { renewLogin } = await import('./device-flow.ts');
  try {
    return await renewLogin(login);
  } catch (e) {
    if (!hasCode(e, 'LOGIN_REFUSED')) throw e;
    throw new HeddleError('LOGIN_EXPIRED', { context, problem: e.details.problem }, e);
  }
}
