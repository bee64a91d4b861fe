import type { HostId } from '../model/ids.ts';
import { issuedBy, type KeyedCertificate, newSerial, pem } from './authority-certificate.ts';
import { AGENT_NAME, CONTROLLER_URI, generationUri, hostUri } from './identity.ts';
import { keyPairOf, newKey } from './keys.ts';
import { readRequest } from './request.ts';
import { lifetimes, validity } from './validity.ts';
import { signing, x509 } from './x509.ts';

/** Whom a host's certificate is for. */
export interface HostSubject {
  readonly id: HostId;
  readonly name: string;
  /** Those of earlier ones do not count: see HostIdentity. */
  readonly generation: number;
}

/** A name by which a controller is reached. */
export type ServerName = { readonly type: 'dns' | 'ip'; readonly value: string };

/** A certificate for a controller, with a new key; `names` are those under which it is reached, for clients that look at them. */
export async function issueServer(
  authority: KeyedCertificate,
  names: readonly ServerName[],
  now: Date,
): Promise<KeyedCertificate> {
  const key = await newKey();
  const { publicKey } = await keyPairOf(key);
  const sans = [...names, { type: 'url' as const, value: CONTROLLER_URI }];
  const certificate = await issue(authority, {
    publicKey,
    name: 'Heddle controller',
    sans,
    usages: ['serverAuth'],
    ...validity(now, lifetimes.server),
  });
  return { certificate, key };
}

/**
 * A certificate for a host's key. Of its request nothing but the key is taken. It is for a server too, the agent's metrics: its one
 * name is of no controller, and keeps clients from looking for another one in the subject.
 * @param csr PEM
 * @returns PEM
 * @throws INVALID if the request is none, or not signed with its own key
 */
export async function issueHost(
  authority: KeyedCertificate,
  csr: string,
  { id, name, generation }: HostSubject,
  now: Date,
): Promise<string> {
  const { publicKey } = await readRequest(csr);
  const uris = [hostUri(id), generationUri(generation)].map((value) => ({ type: 'url' as const, value }));
  return issue(authority, {
    publicKey,
    name,
    sans: [{ type: 'dns', value: AGENT_NAME }, ...uris],
    usages: ['clientAuth', 'serverAuth'],
    ...validity(now, lifetimes.host),
  });
}

interface Leaf {
  readonly publicKey: CryptoKey;
  readonly name: string;
  readonly sans: { type: 'dns' | 'ip' | 'url'; value: string }[];
  readonly usages: readonly ('serverAuth' | 'clientAuth')[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

async function issue(authority: KeyedCertificate, leaf: Leaf): Promise<string> {
  const x = await x509();
  const issuer = new x.X509Certificate(authority.certificate);
  const { privateKey } = await keyPairOf(authority.key);
  const made = await x.X509CertificateGenerator.create({
    serialNumber: newSerial(),
    subject: [{ CN: [leaf.name] }],
    issuer: issuer.subjectName,
    notBefore: leaf.notBefore,
    // Nothing outlives who vouches for it.
    notAfter: new Date(Math.min(leaf.notAfter.getTime(), issuer.notAfter.getTime())),
    signingAlgorithm: signing,
    publicKey: leaf.publicKey,
    signingKey: privateKey,
    extensions: [
      new x.BasicConstraintsExtension(false, undefined, true),
      new x.KeyUsagesExtension(x.KeyUsageFlags.digitalSignature, true),
      new x.ExtendedKeyUsageExtension(
        leaf.usages.map((usage) => x.ExtendedKeyUsage[usage]),
        true,
      ),
      new x.SubjectAlternativeNameExtension(leaf.sans),
      await x.SubjectKeyIdentifierExtension.create(leaf.publicKey),
      await issuedBy(issuer),
    ],
  });
  return pem(made);
}
