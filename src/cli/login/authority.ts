/** Whom somebody takes for the controller's authority. */
import type { X509Certificate } from 'node:crypto';
import { fetchAuthority, shownAuthority } from '../../client/authority.ts';
import { isOfAnotherAuthority } from '../../client/tls.ts';
import { HeddleError, hasCode } from '../../model/errors.ts';
import { bundleText, parseBundle, pinOf } from '../../trust/bundle.ts';
import { withHint } from '../exit.ts';
import { readTyped } from '../file-text.ts';
import { type Io, paint } from '../io.ts';
import { printable } from '../table.ts';
import { confirm, isAsked } from './prompt.ts';

/** By what the right authority is known. */
export interface Known {
  readonly pin?: string;
  /** A file. */
  readonly ca?: string;
}

/**
 * The authority of the controller at an address, PEM: the one that is said, or else known from before, or else the one that is
 * shown, if a person says that it is the right one.
 * @throws USAGE, CA_MISMATCH, CONTROLLER_UNREACHABLE, INVALID
 */
export async function askAuthority(io: Io, address: string, known: Known, before: string | undefined): Promise<string> {
  const { pin, ca } = known;
  if (pin !== undefined && ca !== undefined)
    throw new HeddleError('USAGE', { problem: '--pin and --ca: say one of them' });
  if (ca !== undefined) {
    const text = readTyped('--ca', ca);
    parseBundle(text);
    return text;
  }
  if (pin !== undefined) return fetchAuthority(address, pin, io.signal);
  if (before !== undefined) return before;
  const shown = await shownFirst(address, io.signal);
  const line = `${paint(io, 'bold', pinOf(shown))}  ${printable(shown.subject.replace(/^CN=/, ''))}`;
  io.err(`${address} shows this authority, which nobody here knows:\n  ${line}\n`);
  if (!isAsked())
    throw withHint(
      new HeddleError('USAGE', { problem: 'say that it is the right one: --pin <pin>, or --ca <file>' }),
      '"heddle ca status" on the controller’s machine shows the pin of the right one',
    );
  io.err('On the controller’s machine "heddle ca status" shows the pin of the right one.\n');
  if (await confirm(io, 'Is it the same? [y/N] ')) return bundleText([shown]);
  throw new HeddleError('USAGE', { problem: 'it is not, so nothing was done' });
}

/**
 * The one authority that counts of those that are shown: the first, which signs. With others beside it whoever is between could
 * show the right one to be compared, and be believed by his own.
 */
async function shownFirst(address: string, signal: AbortSignal): Promise<X509Certificate> {
  const [first] = parseBundle(await shownAuthority(address, signal));
  return first!;
}

/**
 * What is to be told of a controller that could not be asked: if it has shown another authority than the one that is known, that,
 * and which. @param known PEM
 */
export async function whyNobody(e: unknown, address: string, known: string, signal: AbortSignal): Promise<unknown> {
  if (!hasCode(e, 'CONTROLLER_UNREACHABLE')) return e;
  if (!isOfAnotherAuthority(e.cause)) return e;
  const pin = pinOf(parseBundle(known)[0]!);
  const shown = await shownFirst(address, signal).then(pinOf, () => 'cannot be read');
  return withHint(
    new HeddleError('CA_MISMATCH', { pin }, e),
    `the pin of the one that answers: ${shown}. If "heddle ca status" on the controller’s machine shows it, too: --pin ${shown}`,
  );
}
