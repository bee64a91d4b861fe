/** Whom somebody takes for the controller's authority. */
import { fetchAuthority, shownAuthority } from '../../client/authority.ts';
import { HeddleError } from '../../model/errors.ts';
import { parseBundle, pinOf } from '../../trust/bundle.ts';
import { withHint } from '../exit.ts';
import { type Io, paint } from '../io.ts';
import { printable } from '../table.ts';
import { readCa } from './controller-of.ts';
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
export async function authorityOf(io: Io, address: string, known: Known, before: string | undefined): Promise<string> {
  const { pin, ca } = known;
  if (pin !== undefined && ca !== undefined)
    throw new HeddleError('USAGE', { problem: '--pin and --ca: say one of them' });
  if (ca !== undefined) {
    const text = readCa(ca, '--ca');
    parseBundle(text);
    return text;
  }
  if (pin !== undefined) return fetchAuthority(address, pin, io.signal);
  if (before !== undefined) return before;
  const shown = await shownAuthority(address, io.signal);
  const lines = parseBundle(shown).map(
    (certificate) =>
      `  ${paint(io, 'bold', pinOf(certificate))}  ${printable(certificate.subject.replace(/^CN=/, ''))}`,
  );
  io.err(`${address} shows this authority, which nobody here knows:\n${lines.join('\n')}\n`);
  if (!isAsked())
    throw withHint(
      new HeddleError('USAGE', { problem: 'say that it is the right one: --pin <pin>, or --ca <file>' }),
      '"heddle ca status" on the controller’s machine shows the pin of the right one',
    );
  io.err('On the controller’s machine "heddle ca status" shows the pin of the right one.\n');
  if (await confirm(io, 'Is it the same? [y/N] ')) return shown;
  throw new HeddleError('USAGE', { problem: 'it is not, so nothing was done' });
}
