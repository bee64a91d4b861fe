/** How it is with the installation's authority and a controller's own certificate, by what they say themselves. */
import { X509Certificate } from 'node:crypto';
import { type Trouble, trouble } from '../model/condition.ts';
import { LATE_SHARE, lifetimes, shareLeft } from '../trust/validity.ts';
import type { AuthorityRecord } from './trust-record.ts';

/** Of an authority's ten years the last one. */
const lastShare = 1 / 10;

interface Trust {
  /** Undefined: there is none yet. */
  readonly authority: AuthorityRecord | undefined;
  /** The controller's own, PEM; undefined: nobody reaches it by TLS. */
  readonly certificate: string | undefined;
  readonly now: Date;
}

/** What is not well of them; pure. */
export function* troublesOfTrust({ authority, certificate, now }: Trust): Generator<Trouble> {
  if (!authority) return;
  const { validFromDate: from, validToDate: to } = new X509Certificate(authority.current.certificate);
  if (now < from || now > to) {
    const text = `the authority holds from ${from.toISOString()} to ${to.toISOString()}, and by the controller’s clock it is ${now.toISOString()}: no host and no user gets in by TLS`;
    const next =
      'on the controller’s machine: if the clock is wrong, set it; if it was wrong when the authority was made: heddle ca rotate, heddle ca retire --force, and all hosts join again';
    yield trouble('AUTHORITY_INVALID', { text, next });
  } else if (shareLeft(from, to, now) < lastShare) {
    const text = `the authority holds until ${to.toISOString()}, and with it all certificates`;
    yield trouble('AUTHORITY_ENDS', { text, next: 'heddle ca rotate; the guide of certificates says how it goes on' });
  }
  // All hosts that were connected have certificates of the new one by then.
  if (authority.older && now.getTime() > from.getTime() + lifetimes.host) {
    const text = `the authority was rotated ${from.toISOString()}, and the one before counts still`;
    const next = 'heddle ca status says which hosts have nothing else; heddle ca retire ends it';
    yield trouble('ROTATION_UNFINISHED', { text, next });
  }
  if (certificate === undefined) return;
  const own = new X509Certificate(certificate);
  if (shareLeft(own.validFromDate, own.validToDate, now) < LATE_SHARE) {
    const text = `the controller’s own certificate holds until ${own.validToDate.toISOString()}, and is not renewed`;
    yield trouble('CERTIFICATE_ENDS', {
      text,
      next: 'the controller’s log says why; at its start it makes another one',
    });
  }
}
