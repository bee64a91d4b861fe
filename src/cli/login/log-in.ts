import { openClient } from '../../client/client.ts';
import { HeddleError } from '../../model/errors.ts';
import { parseName } from '../../model/ids.ts';
import type { Whoami } from '../../model/login.ts';
import type { Io } from '../io.ts';
import { nameFor, parseAddress } from './address.ts';
import { askAuthority, type Known, whyNobody } from './authority.ts';
import { type Context, type Contexts, changeContexts, contextOf, readContexts, withContext } from './contexts.ts';
import { askCredential, type Means } from './credential.ts';

/** How somebody logs in: by what, and to whom. */
export interface LogIn extends Means, Known {
  /** What the context is called. */
  readonly context?: string;
}

interface LoggedIn {
  readonly context: string;
  readonly address: string;
  readonly you: Whoami;
}

/**
 * Logs in: finds out who the controller is, gets a credential, sees that it counts, and only then keeps it.
 * @param typed the controller's address; undefined: that of the context
 * @throws USAGE, CONTEXT_UNKNOWN, CA_MISMATCH, TOKEN_INVALID, LOGIN_REFUSED, and what says that nobody answers
 */
export async function logIn(io: Io, file: string, typed: string | undefined, how: LogIn): Promise<LoggedIn> {
  const { name, address, before } = placeOf(readContexts(file), typed, how.context);
  const { signal } = io;
  const first = await askAuthority(io, address, how, before?.ca);
  const nobody = openClient(address, { ca: first });
  // All of them, by a connection that the first has proven: there are two while one takes over from the other.
  const { ca } = await nobody.authority({ signal }).catch(async (e: unknown) => {
    throw await whyNobody(e, address, first, signal);
  });
  const credential = await askCredential(io, how, await nobody.loginSettings({ signal }));
  const token = credential.oidc?.idToken ?? credential.token!;
  const you = await openClient(address, { ca, token }).whoami({ signal });
  await changeContexts(file, (contexts) => ({
    ...withContext(contexts, name, { address, ca, ...credential }),
    current: name,
  }));
  return { context: name, address, you };
}

interface Place {
  readonly name: string;
  readonly address: string;
  /** A context that is there, of the same address. */
  readonly before: Context | undefined;
}

/** @throws USAGE, NAME_INVALID, CONTEXT_UNKNOWN */
function placeOf(contexts: Contexts, typed: string | undefined, named: string | undefined): Place {
  if (typed === undefined) {
    const name = named ?? contexts.current;
    if (name === undefined) throw new HeddleError('USAGE', { problem: 'to which controller? Say its address' });
    const before = contextOf(contexts, name);
    return { name, address: parseAddress(before.address), before };
  }
  const address = parseAddress(typed);
  const there = named === undefined ? undefined : contexts.contexts.get(named);
  if (there?.address === address) return { name: named!, address, before: there };
  const [same, before] = [...contexts.contexts].find(([, its]) => its.address === address) ?? [];
  return { name: parseName(named ?? same ?? nameFor(address)), address, before };
}
