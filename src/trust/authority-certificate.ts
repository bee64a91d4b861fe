import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { pinOf } from './bundle.ts';
import { keyPairOf, newKey } from './keys.ts';
import { lifetimes, validity } from './validity.ts';
import { signing, x509 } from './x509.ts';

/** A certificate, as the library reads it. */
type Read = import('#x509').X509Certificate;

/** A certificate with its private key, both PEM. */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** A new authority of an installation: a certificate that it has signed itself, for ten years. */
export async function makeAuthority(now: Date): Promise<KeyedCertificate> {
  const key = await newKey();
  const { X509CertificateGenerator } = await x509();
  const keys = await keyPairOf(key);
  const made = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: [{ CN: [await nameOf(keys.publicKey, now)] }],
    ...validity(now, lifetimes.authority),
    signingAlgorithm: signing,
    keys,
    extensions: await authorityExtensions(keys.publicKey),
  });
  return { certificate: pem(made), key };
}

/**
 * The same authority as an older one vouches for it: who trusts the older one alone reaches certificates of the new one by
 * this. It holds as long as the older one does.
 * @returns PEM
 */
export async function crossSign(certificate: string, older: KeyedCertificate, now: Date): Promise<string> {
  const x = await x509();
  const [subject, issuer] = [new x.X509Certificate(certificate), new x.X509Certificate(older.certificate)];
  const { privateKey } = await keyPairOf(older.key);
  const made = await x.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: subject.subjectName,
    issuer: issuer.subjectName,
    notBefore: validity(now, 0).notBefore,
    notAfter: new Date(Math.min(subject.notAfter.getTime(), issuer.notAfter.getTime())),
    signingAlgorithm: signing,
    publicKey: await subject.publicKey.export(),
    signingKey: privateKey,
    extensions: await authorityExtensions(await subject.publicKey.export(), issuer),
  });
  return pem(made);
}

/** 127 random bits, hexadecimal: positive, and of one length (RFC 5280 §4.1.2.2). */
export function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = (bytes[0]! & 0x3f) | 0x40;
  return bytes.toString('hex');
}

/** As PEM with a line break at its end, so that several can stand behind each other. */
export const pem = (made: { toString(format: 'pem'): string }): string => `${made.toString('pem').trim()}\n`;

/** What tells authorities of one installation apart, for people. */
export const authorityId = (certificate: string): string => pinOf(new X509Certificate(certificate)).slice(0, 8);

async function nameOf(key: CryptoKey, now: Date): Promise<string> {
  const spki = new Uint8Array(await crypto.subtle.exportKey('spki', key));
  const short = createHash('sha256').update(spki).digest('hex').slice(0, 8);
  return `Heddle CA ${now.toISOString().slice(0, 10)} ${short}`;
}

/** `issuer`: who signs it; default: itself. */
async function authorityExtensions(key: CryptoKey, issuer?: Read) {
  const x = await x509();
  return [
    new x.BasicConstraintsExtension(true, undefined, true),
    new x.KeyUsagesExtension(x.KeyUsageFlags.keyCertSign | x.KeyUsageFlags.cRLSign, true),
    await x.SubjectKeyIdentifierExtension.create(key),
    issuer ? await issuedBy(issuer) : await x.AuthorityKeyIdentifierExtension.create(key),
  ];
}

/** Says by which key a certificate is signed, as the issuer's own certificate names that: others may name it in their way. */
export async function issuedBy(issuer: Read) {
  const x = await x509();
  const own = issuer.getExtension(x.SubjectKeyIdentifierExtension)?.keyId;
  return own === undefined
    ? x.AuthorityKeyIdentifierExtension.create(await issuer.publicKey.export())
    : new x.AuthorityKeyIdentifierExtension(own);
}
