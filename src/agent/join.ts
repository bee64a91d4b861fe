import { fetchAuthority } from '../client/authority.ts';
import { openClient } from '../client/client.ts';
import { parseJoinToken } from '../trust/join-token.ts';
import { makeRequest } from '../trust/request.ts';
import { type Identity, writeIdentity } from './identity.ts';

export interface JoinOptions {
  /** "https://192.0.2.1:7470" */
  readonly controller: string;
  readonly token: string;
  /** What the host is to be called. */
  readonly name: string;
  readonly stateDir: string;
  readonly signal?: AbortSignal;
}

/** What a controller answers to who joins. */
interface Joined {
  readonly host: { readonly id: string; readonly name: string };
  readonly certificate: string;
  readonly ca: string;
}

/**
 * Makes this host one of the controller's: makes a key, which never leaves the host, and has the controller sign it. What the host
 * was before in this folder is replaced.
 * @throws TOKEN_INVALID, CA_MISMATCH, CONTROLLER_UNREACHABLE, and what the controller refuses with
 */
export async function joinController({ controller, token, name, stateDir, signal }: JoinOptions): Promise<Identity> {
  const ca = await fetchAuthority(controller, parseJoinToken(token).pin, signal);
  const { key, csr } = await makeRequest(name);
  const body = { token, csr, name };
  const joined = (await openClient(controller, { ca }).request('POST', '/v1/join', { body, signal })) as Joined;
  const identity = { controller, host: joined.host, key, cert: joined.certificate, ca: joined.ca };
  writeIdentity(stateDir, identity);
  return identity;
}
