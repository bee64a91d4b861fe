/**
 * API tokens: "hdt_<id>_<secret>". Of the secret, 256 random bits, only the SHA-256 is kept: it cannot be guessed, so nothing
 * slower is needed, and whoever reads the store has no token.
 */
import type { FastifyRequest } from 'fastify';
import { HeddleError } from '../model/errors.ts';
import type { Token } from '../model/token.ts';
import { digestOf, isSecretOf, newSecret } from '../trust/secret.ts';
import { isExpired } from './expired-tokens.ts';
import { tokenKey } from './keys.ts';
import { hostProblem, type Principal } from './principal.ts';
import type { TokenRecord } from './trust-record.ts';
import type { World } from './world.ts';

type TokenWorld = Pick<World, 'trust'>;

/** The token of a request that shows one; undefined where it shows none of ours. @throws TOKEN_INVALID */
export function bearerOf(
  world: TokenWorld,
  request: Pick<FastifyRequest, 'headers'>,
  now: Date,
): Principal | undefined {
  const shown = /^Bearer +(hdt_\S*)$/i.exec(request.headers.authorization ?? '')?.[1];
  return shown === undefined ? undefined : principalOf(world, shown, now);
}

const form = /^hdt_([0-9a-f]{16})_([A-Za-z0-9_-]{43})$/;

/** Who shows a token. @throws TOKEN_INVALID */
export function principalOf(world: TokenWorld, text: string, now: Date): Principal {
  const [, id = '', secret = ''] = form.exec(text) ?? [];
  const record = world.trust.tokens.get(id)?.record;
  if (!isSecretOf(secret, record?.hash) || !record)
    throw new HeddleError('TOKEN_INVALID', { problem: 'it is not, or no longer, known here' });
  if (isExpired(record, now)) throw new HeddleError('TOKEN_INVALID', { problem: `it ended at ${record.expiresAt}` });
  const { user: name, groups, scope } = record;
  return { kind: 'user', name, groups, via: 'token', scope, token: id, untilMs: Date.parse(record.expiresAt) };
}

/** What a principal showed is still good: its token is there, and its time is not over; its host is there, and has not been shut out or joined again. */
export function isAlive(world: Pick<World, 'trust' | 'host'>, principal: Principal, now: Date): boolean {
  if (principal.kind === 'local') return true;
  if (principal.kind === 'host') return hostProblem(world, principal) === undefined;
  const { token, untilMs = Number.POSITIVE_INFINITY } = principal;
  return now.getTime() < untilMs && (token === undefined || world.trust.tokens.has(token));
}

/** A token of which the store keeps the record, and its owner the text. */
export function newToken(
  fields: Omit<TokenRecord, 'id' | 'hash'>,
  randomBytes: (n: number) => Uint8Array,
): { readonly record: TokenRecord; readonly text: string; readonly key: string } {
  const id = Buffer.from(randomBytes(8)).toString('hex');
  const secret = newSecret(randomBytes);
  return { record: { id, ...fields, hash: digestOf(secret) }, text: `hdt_${id}_${secret}`, key: tokenKey(id) };
}

/** A token as clients read it. */
export function tokenView({ hash: _, scope, ...rest }: TokenRecord): Token {
  const { tenants, readOnly } = scope;
  return { ...rest, scope: { ...(tenants && { tenants: [...tenants] }), ...(readOnly && { readOnly }) } };
}
