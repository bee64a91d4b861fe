import { X509Certificate } from 'node:crypto';
import { LATE_SHARE, RENEWABLE_MS, shareLeft } from '../../../trust/validity.ts';
import { readIdentity } from '../../identity.ts';
import { makeCheck } from '../check.ts';
import { type Finding, fail, ok, unknown, warn } from '../finding.ts';

/** What the host joined with, by its own clock. */
interface CertificateFacts {
  /** Address of the controller. */
  readonly controller: string;
  readonly now: Date;
  /** Absent: it has not joined. */
  readonly certificate?: { readonly host: string; readonly from: Date; readonly to: Date };
}

export function judgeCertificate({ controller, now, certificate: own }: CertificateFacts): Finding[] {
  if (!own)
    return controller.startsWith('unix:')
      ? [ok('the controller is this machine’s: no certificate is needed')]
      : [unknown('this host has not joined', `make it a host: heddle agent join ${controller} <token>`)];
  const [from, to] = [own.from.toISOString(), own.to.toISOString()];
  if (now < own.from)
    return [
      fail(
        `the certificate holds from ${from} on, and by this host’s clock it is ${now.toISOString()}`,
        'is the clock right? heddle doctor clock',
      ),
    ];
  if (now.getTime() > own.to.getTime() + RENEWABLE_MS)
    return [
      fail(
        `the certificate ended ${to}, too long ago to be renewed`,
        `if the clock is right (heddle doctor clock), join again: heddle host token create --name ${own.host}, and heddle agent join here`,
      ),
    ];
  const why = 'the agent renews it as soon as the controller lets it; heddle status says what keeps it from that';
  if (now > own.to) return [fail(`the certificate ended ${to}`, why)];
  if (shareLeft(own.from, own.to, now) < LATE_SHARE)
    return [warn(`the certificate holds until ${to}, and is late to be renewed`, why)];
  return [ok(`the certificate holds until ${to}`)];
}

export const certificate = makeCheck({
  name: 'certificate',
  about: 'what the host joined with holds, and is renewed',
  gather: ({ controller, stateDir }): CertificateFacts => {
    const [identity, now] = [readIdentity(stateDir), new Date()];
    if (!identity) return { controller, now };
    const { validFromDate: from, validToDate: to } = new X509Certificate(identity.cert);
    return { controller, now, certificate: { host: identity.host.name, from, to } };
  },
  judge: judgeCertificate,
});
