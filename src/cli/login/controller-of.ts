/** Which controller a command asks, and as whom. */
import { accessSync, constants } from 'node:fs';
import type { Credentials } from '../../client/credentials.ts';
import { controllerSocket } from '../../client/transport.ts';
import { HeddleError } from '../../model/errors.ts';
import { readTyped } from '../file-text.ts';
import { tokenOf } from './bearer.ts';
import { type Context, type Contexts, contextOf, contextsFile, readContexts } from './contexts.ts';

/** What was typed; commander puts into it what the environment says where nothing was. */
interface Named {
  readonly controller?: string | undefined;
  readonly context?: string | undefined;
}

/** A controller, and how it is known and knows who asks. */
interface Found {
  readonly address: string;
  /** On a unix socket none: who may open it is known by that. */
  readonly credentials?: Credentials;
  /** The context that says so. */
  readonly context?: string;
}

/**
 * What was typed goes before what is in the environment, and an address before a context. If neither says anything it is this
 * machine's own controller, if there is one that the user may ask, else the current context.
 * @param socket where this machine's own would be
 * @throws CONTEXT_UNKNOWN, CONTEXTS_UNREADABLE, USAGE
 */
export function controllerOf(named: Named, env: NodeJS.ProcessEnv = process.env, socket = controllerSocket): Found {
  const file = contextsFile(env);
  const { isMeant, ...chosen } = choose(named, env);
  const own = isMeant ? env : {};
  if (chosen.controller !== undefined) return byAddress(chosen.controller, file, own);
  if (chosen.context !== undefined) return byContext(file, chosen.context, readContexts(file), own);
  if (mayOpen(socket)) return { address: `unix:${socket}` };
  const contexts = readContexts(file);
  if (contexts.current === undefined) return { address: `unix:${socket}` };
  return byContext(file, contexts.current, contexts, own);
}

interface Chosen extends Named {
  /** What the environment has to be known by is for this one. */
  readonly isMeant: boolean;
}

/**
 * At most one of them. A token of the environment is for the controller that the environment names; if it names none, for an
 * address that is typed and the current context. A context that is typed has a login of its own, and its controller, which may be
 * somebody else's, is sent no other.
 * @throws USAGE if both were typed
 */
function choose(named: Named, env: NodeJS.ProcessEnv): Chosen {
  const [controller, context] = [named.controller || undefined, named.context || undefined];
  const typed = {
    controller: controller !== undefined && controller !== env.HEDDLE_CONTROLLER,
    context: context !== undefined && context !== env.HEDDLE_CONTEXT,
  };
  if (typed.controller && typed.context)
    throw new HeddleError('USAGE', { problem: '--controller and --context: say one of them' });
  if (typed.context) return { context, isMeant: false };
  if (typed.controller) return { controller, isMeant: !namesAnother(env) };
  return { ...(controller === undefined ? { context } : { controller }), isMeant: true };
}

/** A controller to which a token could go: to a unix socket none does. */
const namesAnother = ({ HEDDLE_CONTROLLER: controller, HEDDLE_CONTEXT: context }: NodeJS.ProcessEnv): boolean =>
  Boolean(context || (controller && !controller.startsWith('unix:')));

/** With what the environment says, or a context that has this very address. */
function byAddress(address: string, file: string, env: NodeJS.ProcessEnv): Found {
  if (address.startsWith('unix:')) return { address };
  const own = fromEnvironment(env);
  if (own.ca !== undefined && own.token !== undefined)
    return { address, credentials: { ca: own.ca, token: own.token } };
  const [context, known] = [...readContexts(file).contexts].find(([, { address: its }]) => its === address) ?? [];
  const credentials = context && known && credentialsOf(file, context, known, own);
  if (credentials) return { address, credentials, context };
  return own.ca === undefined ? { address } : { address, credentials: { ca: own.ca } };
}

function byContext(file: string, name: string, contexts: Contexts, env: NodeJS.ProcessEnv): Found {
  const context = contextOf(contexts, name);
  const { address } = context;
  if (address.startsWith('unix:')) return { address, context: name };
  const credentials = credentialsOf(file, name, context, fromEnvironment(env));
  return { address, context: name, ...(credentials && { credentials }) };
}

interface Own {
  readonly ca?: string;
  readonly token?: string;
}

function credentialsOf(file: string, name: string, context: Context, own: Own): Credentials | undefined {
  const ca = own.ca ?? context.ca;
  const token = own.token ?? tokenOf(file, name, context);
  return ca === undefined ? undefined : { ca, ...(token !== undefined && { token }) };
}

/** @throws USAGE */
function fromEnvironment({ HEDDLE_CA: file, HEDDLE_TOKEN: token }: NodeJS.ProcessEnv): Own {
  return { ...(file && { ca: readTyped('HEDDLE_CA', file) }), ...(token && { token: token.trim() }) };
}

function mayOpen(socket: string): boolean {
  try {
    accessSync(socket, constants.W_OK);
    return true;
  } catch {
    return false;
  }
}
