import { createHash } from 'node:crypto';
import { HeddleError } from '../model/errors.ts';
import { pem } from './authority-certificate.ts';
import { keyPairOf, newKey } from './keys.ts';
import { signing, x509 } from './x509.ts';

/** Longest request, characters; ours have 400. */
const CSR_CHARS = 4096;

/** A new key and the request for a certificate of it (PKCS #10), both PEM. The key never leaves the machine. */
export async function makeRequest(name: string): Promise<{ key: string; csr: string }> {
  const key = await newKey();
  return { key, csr: await requestFor(key, name) };
}

/** A request for a certificate of a key that is there, PEM. */
export async function requestFor(key: string, name: string): Promise<string> {
  const { Pkcs10CertificateRequestGenerator } = await x509();
  const keys = await keyPairOf(key);
  return pem(
    await Pkcs10CertificateRequestGenerator.create({ name: [{ CN: [name] }], keys, signingAlgorithm: signing }),
  );
}

/** What a request is for. */
export interface Request {
  readonly publicKey: CryptoKey;
  /** SHA-256 of the key's DER, base64url: tells whether two requests are of one key. */
  readonly fingerprint: string;
}

/**
 * Reads a request that somebody sent: a P-256 key, and the signature that shows that they have it. Its name and extensions
 * mean nothing.
 * @throws INVALID
 */
export async function readRequest(csr: string): Promise<Request> {
  const { Pkcs10CertificateRequest } = await x509();
  try {
    if (csr.length > CSR_CHARS || !/^-----BEGIN CERTIFICATE REQUEST-----\s/.test(csr)) throw refusal('is none in PEM');
    const request = new Pkcs10CertificateRequest(csr);
    const { name, namedCurve } = request.publicKey.algorithm as { name: string; namedCurve?: string };
    if (name !== 'ECDSA' || namedCurve !== 'P-256') throw refusal('its key must be a P-256 one');
    if (!(await request.verify())) throw refusal('is not signed with its own key');
    const publicKey = await request.publicKey.export();
    const fingerprint = createHash('sha256').update(new Uint8Array(request.publicKey.rawData)).digest('base64url');
    return { publicKey, fingerprint };
  } catch (cause) {
    if (cause instanceof HeddleError) throw cause;
    throw refusal('cannot be read', cause);
  }
}

const refusal = (problem: string, cause?: unknown) => new HeddleError('INVALID', { field: 'csr', problem }, cause);
