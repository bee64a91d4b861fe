/** TLS as clients of the controller speak it: requests, and an agent's stream. */
import { Agent } from 'node:https';
import type { ConnectionOptions, PeerCertificate } from 'node:tls';
import { CONTROLLER_URI } from '../trust/identity.ts';
import type { Credentials, CurrentCredentials } from './credentials.ts';

/**
 * Options of a connection. The authority is the installation's own, so who has a controller's certificate of it is one, under
 * whatever name or address it was reached.
 */
export const tlsOptions = ({ ca, cert, key }: Credentials): ConnectionOptions => ({
  ca,
  ...(cert !== undefined && key !== undefined && { cert, key }),
  // Also where NODE_TLS_REJECT_UNAUTHORIZED says otherwise.
  rejectUnauthorized: true,
  minVersion: 'TLSv1.3',
  // Node takes the host for it where nothing is said, and an address is none (RFC 6066).
  servername: '',
  checkServerIdentity: (_host, { subjectaltname = '' }: PeerCertificate) =>
    subjectaltname.split(', ').includes(`URI:${CONTROLLER_URI}`)
      ? undefined
      : new Error('its certificate is not a controller’s'),
});

/** What OpenSSL says of a certificate that none of the authorities that are believed has signed (X509_verify_cert_error_string). */
const ofAnother: ReadonlySet<unknown> = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
]);
/** Whether a connection failed because whoever answers has an authority that is not believed. */
export const isOfAnotherAuthority = (cause: unknown): boolean =>
  cause instanceof Error && ofAnother.has((cause as NodeJS.ErrnoException).code);

/** The same of one that does not hold: by the clock of who looks at it, which may be the one that is wrong. */
const outOfTime: Readonly<Record<string, string>> = {
  CERT_NOT_YET_VALID: 'its certificate does not hold yet',
  CERT_HAS_EXPIRED: 'its certificate holds no more',
};
/** Whether a connection failed because a certificate does not hold by this machine's clock. */
export const isUntimely = (cause: unknown): boolean =>
  cause instanceof Error && Object.hasOwn(outOfTime, (cause as NodeJS.ErrnoException).code ?? '');
/** Why a connection failed, for people. */
export function failureText(cause: unknown): string {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  const untimely = outOfTime[code];
  if (isOfAnotherAuthority(cause))
    return `its certificate is of another authority than is known (${message}): if the controller has a new one, hosts join and users log in again`;
  if (untimely === undefined) return message || code;
  // The day alone: what is said once need not be said again each second.
  const today = new Date().toISOString().slice(0, 10);
  return `by this machine’s clock (${today}, UTC) ${untimely}: is the clock right here, and at the controller?`;
}

/** Connections to whoever answers: nothing is told to them, and nothing is believed that is not known by other means. */
export const newStrangersAgent = (): Agent =>
  new Agent({ rejectUnauthorized: false, minVersion: 'TLSv1.3', maxSockets: 1 });

const agents = new WeakMap<Credentials, Agent>();
/** Connections with these credentials: open between requests; idle ones do not keep the process alive. */
export function agentOf(credentials: Credentials): Agent {
  const known = agents.get(credentials);
  if (known) return known;
  const agent = new Agent({ keepAlive: true, ...tlsOptions(credentials) });
  agents.set(credentials, agent);
  return agent;
}

/** The header in which a user's token goes. */
export async function authorizationHeader(
  credentials: CurrentCredentials | undefined,
): Promise<{ authorization?: string }> {
  const token = credentials?.().token;
  if (token === undefined) return {};
  return { authorization: `Bearer ${typeof token === 'string' ? token : await token()}` };
}
