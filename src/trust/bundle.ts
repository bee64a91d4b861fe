import { createHash, X509Certificate } from 'node:crypto';
import { HeddleError } from '../model/errors.ts';

/** Most certificates of a bundle: an installation has two authorities while one takes over from the other. */
export const BUNDLE_MAX = 8;
const block = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]{1,8192}-----END CERTIFICATE-----/g;

/**
 * The certificates of a PEM text, in its order; text around them is passed over.
 * @throws INVALID if there is none, one cannot be read, or there are too many
 */
export function parseBundle(text: string): X509Certificate[] {
  const blocks = text.match(block) ?? [];
  const begun = text.split('-----BEGIN CERTIFICATE-----').length - 1;
  if (blocks.length === 0 || begun !== blocks.length) throw refusal('it has no certificate in PEM, or half of one');
  if (blocks.length > BUNDLE_MAX) throw refusal(`it has more than ${BUNDLE_MAX} certificates`);
  try {
    return blocks.map((pem) => new X509Certificate(pem));
  } catch (cause) {
    throw refusal('a certificate of it cannot be read', cause);
  }
}

/** Certificates as one PEM text, each once. */
export const bundleText = (certificates: readonly X509Certificate[]): string =>
  [...new Set(certificates.map((certificate) => `${certificate.toString().trim()}\n`))].join('');

/**
 * The certificate's key in 43 characters: SHA-256 of its DER (SubjectPublicKeyInfo), base64url. Who knows it beforehand
 * knows the authority again, whoever hands over the certificate.
 */
export const pinOf = (certificate: X509Certificate): string =>
  createHash('sha256')
    .update(certificate.publicKey.export({ type: 'spki', format: 'der' }))
    .digest('base64url');

/** The authorities of a bundle that a pin is of, as PEM. @throws CA_MISMATCH if there is none */
export function pinned(text: string, pin: string): string {
  const found = parseBundle(text).filter((certificate) => certificate.ca && pinOf(certificate) === pin);
  if (found.length === 0) throw new HeddleError('CA_MISMATCH', { pin });
  return bundleText(found);
}

const refusal = (problem: string, cause?: unknown) => new HeddleError('INVALID', { field: 'ca', problem }, cause);

/** Until when a certificate (PEM) holds, ISO 8601. */
export const notAfterOf = (certificate: string): string => new X509Certificate(certificate).validToDate.toISOString();
