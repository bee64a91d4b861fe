/** Flags by which a controller is given its authority. */
import type { Command } from 'commander';
import { HeddleError } from '../model/errors.ts';
import type { KeyedCertificate } from '../trust/authority-certificate.ts';
import { readTyped } from './file-text.ts';

/** What was typed of it. */
export interface AuthorityTyped {
  readonly caCertificate?: string;
  readonly caKey?: string;
  readonly newAuthority?: true;
}

export const withAuthority = (command: Command): Command =>
  command
    .option(
      '--ca-certificate <file>',
      'the first start takes this authority, which has signed itself, instead of making one (PEM); with --ca-key',
    )
    .option('--ca-key <file>', 'its P-256 key (PEM); it is kept sealed in the store, and not needed here again')
    .option(
      '--new-authority',
      'once, where the store’s .secret.key is lost: begin with another authority; all hosts join, and users log in, again',
    );

/** Undefined without the flags. @throws USAGE */
export async function parseAuthorityFlags({
  caCertificate,
  caKey,
}: AuthorityTyped): Promise<KeyedCertificate | undefined> {
  if (caCertificate === undefined && caKey === undefined) return undefined;
  if (caCertificate === undefined || caKey === undefined)
    throw new HeddleError('USAGE', { problem: '--ca-certificate and --ca-key go together' });
  const { parseAuthority } = await import('../trust/given-authority.ts');
  return parseAuthority(readTyped('--ca-certificate', caCertificate), readTyped('--ca-key', caKey), new Date());
}
