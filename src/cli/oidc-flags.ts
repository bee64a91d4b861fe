/** Flags of the controller: the OpenID provider by which people log in. */
import type { Command } from 'commander';
import type { Oidc } from '../controller/oidc.ts';
import { HeddleError } from '../model/errors.ts';
import { collect } from './command.ts';
import { readTyped } from './file-text.ts';

/** What was typed of it. */
export interface OidcTyped {
  readonly oidcIssuer?: string;
  readonly oidcClientId?: string;
  readonly oidcUserClaim?: string;
  readonly oidcGroupsClaim?: string;
  readonly oidcPrefix?: string;
  readonly oidcAudience?: string[];
  readonly oidcScope?: string[];
  readonly oidcCa?: string;
}

export const withOidc = (command: Command): Command =>
  command
    .option('--oidc-issuer <url>', 'people log in by this OpenID provider; default: with API tokens alone')
    .option('--oidc-client-id <id>', 'the provider’s client that "heddle login" is: a public one, with the device flow')
    .option('--oidc-user-claim <claim>', 'has the user’s name; of "email" only one that is verified (default: sub)')
    .option(
      '--oidc-groups-claim <claim>',
      'has the names of groups; with dots one inside others, as realm_access.roles (default: groups)',
    )
    .option(
      '--oidc-prefix <text>',
      'put before names of users and groups, so that they are none that tokens are of; grants have it too (default: oidc:)',
    )
    .option('--oidc-audience <name>', 'whom its tokens must be for; default: the client (repeatable)', collect)
    .option('--oidc-scope <scope>', 'asked for besides openid and offline_access (repeatable)', collect)
    .option('--oidc-ca <file>', 'authorities of the provider’s certificate besides those that machines trust, PEM');

/** The provider that was typed. @throws USAGE, INVALID */
export async function oidcOf(typed: OidcTyped): Promise<Oidc | undefined> {
  const { oidcIssuer: issuer, oidcClientId: clientId } = typed;
  if (issuer === undefined) {
    const other = Object.keys(typed).find((name) => /^oidc[A-Z]/.test(name));
    if (other === undefined) return undefined;
    throw new HeddleError('USAGE', { problem: 'of a provider the --oidc-issuer must be said' });
  }
  if (clientId === undefined) throw new HeddleError('USAGE', { problem: '--oidc-issuer needs --oidc-client-id' });
  const { Oidc } = await import('../controller/oidc.ts');
  return new Oidc({
    ...{ issuer, clientId },
    scopes: [...new Set(['openid', 'offline_access', ...(typed.oidcScope ?? [])])],
    audiences: typed.oidcAudience ?? [clientId],
    userClaim: typed.oidcUserClaim ?? 'sub',
    groupsClaim: typed.oidcGroupsClaim ?? 'groups',
    prefix: typed.oidcPrefix ?? 'oidc:',
    ...(typed.oidcCa !== undefined && { ca: await caOf(typed.oidcCa) }),
  });
}

/** What is none would be noticed only when somebody logs in. */
async function caOf(file: string): Promise<string> {
  const { bundleText, parseBundle } = await import('../trust/bundle.ts');
  return bundleText(parseBundle(readTyped('--oidc-ca', file)));
}
