import { X509Certificate } from 'node:crypto';
import { type HostId, isUuid } from '../model/ids.ts';

/** The name in every controller's certificate, and in no other. */
export const CONTROLLER_URI = 'heddle:controller';
/** The name of a host in its certificate. */
export const hostUri = (id: HostId): string => `heddle:host:${id}`;
/**
 * The name by which who looks at names asks any host for its metrics: the same in all hosts' certificates, so that none has one
 * that is somebody else's, nor one that it has chosen.
 */
export const AGENT_NAME = 'agent.heddle.internal';
export const generationUri = (generation: number): string => `heddle:generation:${generation}`;

const clientAuth = '1.3.6.1.5.5.7.3.2';
const serverAuth = '1.3.6.1.5.5.7.3.1';

/** Whom a certificate is of. */
export type Identity =
  | { readonly kind: 'controller' }
  /** A host is revoked by making those of its generation count no more: no clock has a part in it. */
  | { readonly kind: 'host'; readonly host: HostId; readonly generation: number };

/** What a certificate says of its owner, for the use that it is made for; nothing is verified. Undefined: no host, no controller. */
export function identityOf(certificate: X509Certificate): Identity | undefined {
  const uris = (certificate.subjectAltName ?? '')
    .split(', ')
    .flatMap((san) => (san.startsWith('URI:') ? san.slice(4) : []));
  const usage = certificate.keyUsage ?? [];
  if (certificate.ca) return undefined;
  if (uris.includes(CONTROLLER_URI) && usage.includes(serverAuth)) return { kind: 'controller' };
  const host = partOf(uris, 'heddle:host:');
  const generation = partOf(uris, 'heddle:generation:');
  if (!usage.includes(clientAuth) || host === undefined || !isUuid(host) || !/^\d{1,15}$/.test(generation ?? ''))
    return undefined;
  return { kind: 'host', host: host as HostId, generation: Number(generation) };
}

/** Whether those who look at names take a host's certificate for a server's; one from before hosts served anything is none. */
export const isAgentServer = (certificate: X509Certificate): boolean =>
  certificate.checkHost(AGENT_NAME) !== undefined && (certificate.keyUsage ?? []).includes(serverAuth);

const partOf = (uris: readonly string[], prefix: string): string | undefined =>
  uris.find((uri) => uri.startsWith(prefix))?.slice(prefix.length);

/** Why a certificate does not count: "it is …". */
export type CertificateProblem = 'unreadable' | 'of another authority' | 'expired' | 'not valid yet' | 'of no host';

/** A certificate that one of the installation's authorities has signed. */
export interface Verified {
  /** The authority that signed it. */
  readonly issuer: X509Certificate;
  readonly identity: Identity;
  readonly validFrom: Date;
  readonly validTo: Date;
}

/**
 * Whom a certificate is of, if one of the authorities signed it; whether it holds now is for `problemAt` to say.
 * @param raw DER, as TLS has it
 */
export function verifyIdentity(
  raw: Uint8Array,
  authorities: readonly X509Certificate[],
): Verified | CertificateProblem {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(raw);
  } catch {
    return 'unreadable';
  }
  const issuer = authorities.find((ca) => certificate.checkIssued(ca) && certificate.verify(ca.publicKey));
  if (!issuer) return 'of another authority';
  const identity = identityOf(certificate);
  const { validFromDate: validFrom, validToDate: validTo } = certificate;
  return identity ? { issuer, identity, validFrom, validTo } : 'of no host';
}

/** Why a certificate does not hold at a time, or so long before (milliseconds); undefined if it does. */
export function problemAt({ validFrom, validTo }: Verified, now: Date, lateMs = 0): CertificateProblem | undefined {
  return now.getTime() - lateMs > validTo.getTime() ? 'expired' : now < validFrom ? 'not valid yet' : undefined;
}
