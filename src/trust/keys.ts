import { createPrivateKey, generateKeyPair, type webcrypto } from 'node:crypto';
import { promisify } from 'node:util';
import { HeddleError } from '../model/errors.ts';

const generate = promisify(generateKeyPair);
const algorithm = { name: 'ECDSA', namedCurve: 'P-256' } as const;

/** A new private key (P-256) as PEM (PKCS #8); the public one is in it. */
export async function newKey(): Promise<string> {
  const { privateKey } = await generate('ec', { namedCurve: 'P-256' });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** Both halves of a private key. @throws STORE_BROKEN if it is none */
export async function keyPairOf(pem: string): Promise<webcrypto.CryptoKeyPair> {
  let jwk: webcrypto.JsonWebKey;
  try {
    jwk = createPrivateKey(pem).export({ format: 'jwk' }) as webcrypto.JsonWebKey;
  } catch (cause) {
    // OpenSSL's text says nothing of what is in it.
    throw new HeddleError('STORE_BROKEN', { problem: 'a private key cannot be read' }, cause);
  }
  const { d: _, ...open } = jwk;
  const [privateKey, publicKey] = await Promise.all([
    crypto.subtle.importKey('jwk', jwk, algorithm, false, ['sign']),
    crypto.subtle.importKey('jwk', open, algorithm, true, ['verify']),
  ]);
  return { privateKey, publicKey };
}
