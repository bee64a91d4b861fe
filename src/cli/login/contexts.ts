/** Contexts: the controllers that somebody uses, by name, and how each is known and knows its user. One file with secrets. */
import {
  closeSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { homedir } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';
import { HeddleError } from '../../model/errors.ts';
import { namePattern } from '../../model/ids.ts';
import { withLock } from './lock.ts';

/** A login by an OpenID provider: what is sent to the controller, and how the next one is got. */
export interface OidcLogin {
  readonly issuer: string;
  readonly clientId: string;
  /** PEM: authorities of the provider besides those that this machine trusts. */
  readonly ca?: string;
  readonly idToken: string;
  /** When that one ends, RFC 3339. */
  readonly expiresAt: string;
  readonly refreshToken?: string;
}

/** So much before it ends a token is not used any more, milliseconds: it must still hold where it arrives. */
const MARGIN_MS = 30_000;
/** Whether its token can still be sent. */
export const isFresh = ({ expiresAt }: OidcLogin, now: Date): boolean =>
  Date.parse(expiresAt) - MARGIN_MS > now.getTime();

/** One controller. */
export interface Context {
  /** "https://192.0.2.1:7470", "unix:/run/heddle/controller.sock" */
  readonly address: string;
  /** PEM. */
  readonly ca?: string;
  /** An API token. */
  readonly token?: string;
  readonly oidc?: OidcLogin;
}

/** All of somebody's. */
export interface Contexts {
  /** Of commands that name none. */
  readonly current?: string;
  readonly contexts: ReadonlyMap<string, Context>;
}

const none: Contexts = { contexts: new Map() };
const isName = new RegExp(namePattern);

/** Where somebody's contexts are (XDG Base Directory Specification 0.8: what is not absolute is passed over). */
export function contextsFile({ XDG_CONFIG_HOME: xdg, HOME: home }: NodeJS.ProcessEnv): string {
  const folder = xdg && isAbsolute(xdg) ? xdg : join(home || homedir(), '.config');
  return join(folder, 'heddle', 'config.json');
}

/** The file's contexts; none if there is no file. @throws CONTEXTS_UNREADABLE if it is damaged, or others can read it */
export function readContexts(file: string): Contexts {
  let text: string;
  try {
    text = readPrivate(file);
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return none;
    throw e instanceof HeddleError ? e : unreadable(file, (e as Error).message, e);
  }
  try {
    return parse(JSON.parse(text));
  } catch (cause) {
    // Not the parser's own words: they quote the text, and it has secrets.
    const problem = cause instanceof Fault ? cause.message : 'it is no JSON';
    throw unreadable(file, `${problem}; mend it, or move it away and log in again`);
  }
}

/** One of them. @throws CONTEXT_UNKNOWN */
export function contextOf({ contexts }: Contexts, name: string): Context {
  const found = contexts.get(name);
  if (!found) throw new HeddleError('CONTEXT_UNKNOWN', { context: name.slice(0, 80), known: [...contexts.keys()] });
  return found;
}

/**
 * Changes the file, whole or not at all; of several processes one after the other. `change` gives what is to be there, or what
 * it was given if nothing changes.
 * @throws CONTEXTS_UNREADABLE, and what `change` throws
 */
export async function changeContexts(
  file: string,
  change: (before: Contexts) => Contexts | Promise<Contexts>,
): Promise<Contexts> {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw unreadable(file, (cause as Error).message, cause);
  }
  return withLock(`${file}.lock`, async () => {
    const before = readContexts(file);
    const after = await change(before);
    if (after !== before) write(file, after);
    return after;
  });
}

/** With one more, or another one of that name. */
export const withContext = ({ contexts, ...rest }: Contexts, name: string, context: Context): Contexts => ({
  ...rest,
  contexts: new Map([...contexts, [name, context]]),
});

const unreadable = (file: string, problem: string, cause?: unknown) =>
  new HeddleError('CONTEXTS_UNREADABLE', { file, problem }, cause);

function readPrivate(file: string): string {
  const fd = openSync(file, 'r');
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw unreadable(file, 'it is no file');
    if ((stat.mode & 0o077) !== 0)
      throw unreadable(file, `it has secrets, and others may read or change it: chmod 600 ${file}`);
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

function write(file: string, { current, contexts }: Contexts): void {
  const target = realPath(file);
  const sibling = `${target}.new`;
  const fd = openSync(sibling, 'w', 0o600);
  try {
    // One that a killed process has left has the mode that it has.
    fchmodSync(fd, 0o600);
    writeFileSync(fd, `${JSON.stringify({ current, contexts: Object.fromEntries(contexts) }, undefined, 2)}\n`);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(sibling, target);
}

/** Behind symbolic links, which stay. */
function realPath(file: string): string {
  try {
    return realpathSync(file);
  } catch {
    return file;
  }
}

/** What is wrong in the file, in words that tell nothing of its secrets. */
class Fault extends Error {}

function parse(value: unknown): Contexts {
  const { current, contexts = {} } = record(value, 'it');
  if (current !== undefined && typeof current !== 'string') throw new Fault('current is no name');
  const all = Object.entries(record(contexts, 'contexts')).map(([name, context]): [string, Context] => {
    if (!isName.test(name)) throw new Fault('a context has a name that is none');
    return [name, parseContext(context, `context ${name}`)];
  });
  return { ...(current !== undefined && { current }), contexts: new Map(all) };
}

function parseContext(value: unknown, what: string): Context {
  const context = record(value, what);
  const oidc = context.oidc === undefined ? undefined : record(context.oidc, `oidc of ${what}`);
  texts(context, what, ['address'], ['ca', 'token']);
  if (oidc) texts(oidc, `oidc of ${what}`, ['issuer', 'clientId', 'idToken', 'expiresAt'], ['ca', 'refreshToken']);
  return context as unknown as Context;
}

function record(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Fault(`${what} is no object`);
  return value as Record<string, unknown>;
}

function texts(
  of: Record<string, unknown>,
  what: string,
  needed: readonly string[],
  optional: readonly string[],
): void {
  for (const field of [...needed, ...optional]) {
    if (of[field] === undefined && optional.includes(field)) continue;
    if (typeof of[field] !== 'string') throw new Fault(`${field} of ${what} is no text`);
  }
}
