import { hostname } from 'node:os';
import { join } from 'node:path';
import { fetchAuthority } from '../client/authority.ts';
import { openClient } from '../client/client.ts';
import { HeddleError, hasCode } from '../model/errors.ts';
import type { Joined } from '../model/trust.ts';
import { parseJoinToken } from '../trust/join-token.ts';
import { newKey } from '../trust/keys.ts';
import { requestFor } from '../trust/request.ts';
import { readDurable, removeDurable, writeDurable } from './durable.ts';
import { credentialsOf, type Identity, readIdentity, writeIdentity } from './identity.ts';

export interface JoinOptions {
  /** "https://192.0.2.1:7470" */
  readonly controller: string;
  readonly token: string;
  /** What the host is to be called; default: what the token is for, or the machine's name. */
  readonly name?: string | undefined;
  /** Underlay address; default: the one that the controller sees. */
  readonly vtep?: string | undefined;
  readonly stateDir: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Makes this host one of the controller's: makes a key, which never leaves the host, and has the controller sign it. What the host
 * was before in this folder is replaced. Who was cut off on the way may do it again with the same token.
 * @throws TOKEN_INVALID, CA_MISMATCH, CONTROLLER_UNREACHABLE, and what the controller refuses with
 */
export async function joinController(options: JoinOptions): Promise<Identity> {
  const { controller, token, name, vtep, stateDir, signal } = options;
  const { id, pin } = parseJoinToken(token);
  const ca = await fetchAuthority(controller, pin, signal);
  // By its key the controller knows one again whose answer was lost: it is on the disk before it is used.
  const keyFile = join(stateDir, 'join-key.pem');
  const key = readDurable(keyFile) ?? (await newKey());
  writeDurable(keyFile, key, { sync: true });
  const csr = await requestFor(key, name ?? hostname());
  const body = {
    token,
    csr,
    ...(name === undefined ? { hostname: hostname() } : { name }),
    ...(vtep !== undefined && { vtep }),
  };
  const joined = (await openClient(controller, { ca }).request('POST', '/v1/join', { body, signal })) as Joined;
  const identity = {
    controller,
    host: joined.host,
    token: id,
    key,
    cert: joined.certificate,
    ca: joined.ca,
    issuedAt: new Date().toISOString(),
  };
  writeIdentity(stateDir, identity);
  removeDurable(keyFile);
  return identity;
}

/**
 * As joinController; but who has joined by this token, which was for once, and is a host of this controller still, stays it: what
 * comes after joining can be done again.
 * @returns with what it was refused for, if it was
 */
export async function ensureJoined(options: JoinOptions): Promise<{ identity: Identity; refused?: HeddleError }> {
  try {
    return { identity: await joinController(options) };
  } catch (refused) {
    const isUsed = hasCode(refused, 'TOKEN_INVALID') || hasCode(refused, 'NAME_TAKEN');
    const identity = isUsed ? await joinedBy(options).catch(unknown) : undefined;
    if (!identity) throw refused;
    return { identity, refused: refused as HeddleError };
  }
}

/** What the host was refused for is what counts, and not what keeps it from being known. @throws what is none of ours */
function unknown(cause: unknown): undefined {
  if (!(cause instanceof HeddleError)) throw cause;
}

/** What the folder has by that token, if the controller says that it counts. */
async function joinedBy({ controller, token, name, stateDir, signal }: JoinOptions): Promise<Identity | undefined> {
  const identity = readIdentity(stateDir);
  if (identity?.controller !== controller || identity.host.name !== (name ?? identity.host.name)) return undefined;
  if (identity.token !== parseJoinToken(token).id) return undefined;
  await openClient(controller, credentialsOf(identity)).request('GET', `/v1/hosts/${identity.host.id}`, { signal });
  return identity;
}
