/** What tests of certificates have in common. */
import { X509Certificate } from 'node:crypto';
import type { HostId } from '../model/ids.ts';
import type { KeyedCertificate } from './authority-certificate.ts';
import { issueHost } from './issue.ts';
import { makeRequest } from './request.ts';

export const hostId = '01a1fbe3-73c1-7595-93b3-860e40bdeaf6' as HostId;

/** A host's certificate with its key, as it would have been made at a time. */
export async function hostCertificate(
  authority: KeyedCertificate,
  { now = new Date(), generation = 0, id = hostId, name = 'h1' } = {},
): Promise<KeyedCertificate> {
  const { key, csr } = await makeRequest(name);
  return { certificate: await issueHost(authority, csr, { id, name, generation }, now), key };
}

/** As TLS has it. */
export const derOf = (certificate: string): Buffer => new X509Certificate(certificate).raw;
