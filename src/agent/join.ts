import { hostname } from 'node:os';
import { join } from 'node:path';
import { fetchAuthority } from '../client/authority.ts';
import { openClient } from '../client/client.ts';
import type { Joined } from '../model/trust.ts';
import { parseJoinToken } from '../trust/join-token.ts';
import { newKey } from '../trust/keys.ts';
import { requestFor } from '../trust/request.ts';
import { readDurable, removeDurable, writeDurable } from './durable.ts';
import { type Identity, writeIdentity } from './identity.ts';

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
  const ca = await fetchAuthority(controller, parseJoinToken(token).pin, signal);
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
    key,
    cert: joined.certificate,
    ca: joined.ca,
    issuedAt: new Date().toISOString(),
  };
  writeIdentity(stateDir, identity);
  removeDurable(keyFile);
  return identity;
}
