import type { Io } from '../io.ts';
import { printable } from '../table.ts';
import { changeContexts, contextOf, type OidcLogin, withContext } from './contexts.ts';
import { endLogin } from './device-flow.ts';

/** Forgets what a context's user logged in with, and tells the provider, if there is one. @throws CONTEXT_UNKNOWN, CONTEXTS_UNREADABLE */
export async function logOut(io: Io, file: string, name: string): Promise<void> {
  let login: OidcLogin | undefined;
  await changeContexts(file, (contexts) => {
    const { token: _, oidc, ...rest } = contextOf(contexts, name);
    login = oidc;
    return withContext(contexts, name, rest);
  });
  // It is over here whatever the provider says.
  if (login) await endLogin(login).catch((e: Error) => io.err(`the provider was not told: ${printable(e.message)}\n`));
}
