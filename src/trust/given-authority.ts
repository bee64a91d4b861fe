import { createPrivateKey, X509Certificate } from 'node:crypto';
import { HeddleError } from '../model/errors.ts';
import type { KeyedCertificate } from './authority-certificate.ts';
import { bundleText } from './bundle.ts';

/**
 * An authority that somebody brings, checked: one certificate that signed itself, holds now, and may sign others, with its
 * P-256 key; both PEM.
 * @throws USAGE
 */
export function parseAuthority(certificate: string, key: string, now: Date): KeyedCertificate {
  const ca = read('certificate', () => new X509Certificate(certificate));
  const privateKey = read('key', () => createPrivateKey(key));
  if (certificate.split('-----BEGIN ').length !== 2) throw refusal('there must be one certificate, and nothing else');
  if (privateKey.asymmetricKeyDetails?.namedCurve !== 'prime256v1') throw refusal('its key must be a P-256 one');
  if (!ca.checkPrivateKey(privateKey)) throw refusal('the key is not that of the certificate');
  if (!ca.ca || !ca.checkIssued(ca) || !ca.verify(ca.publicKey))
    throw refusal('the certificate must be one that signs others, and that it has signed itself');
  if (now < ca.validFromDate || now > ca.validToDate)
    throw refusal(`it holds from ${ca.validFromDate.toISOString()} to ${ca.validToDate.toISOString()}`);
  return { certificate: bundleText([ca]), key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string };
}

function read<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    throw refusal(`the ${what} cannot be read as PEM without a passphrase`, cause);
  }
}

const refusal = (problem: string, cause?: unknown) =>
  new HeddleError('USAGE', { problem: `the authority that is given: ${problem}` }, cause);
