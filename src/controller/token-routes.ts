/** API tokens over the API: everybody makes, sees and deletes their own; whoever may all, everybody's. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { compileCheck } from '../listen/validate.ts';
import { whoText } from '../model/audit.ts';
import { HeddleError } from '../model/errors.ts';
import type { TenantId } from '../model/ids.ts';
import {
  type TokenCreated,
  type TokenInput,
  type TokenList,
  tokenIdOf,
  TokenInput as tokenInput,
  tokenLimits,
} from '../model/token.ts';
import type { Store } from '../store/contract.ts';
import { type Access, forbidden, seenTenant } from './access.ts';
import { isExpired, sweepExpired } from './expired-tokens.ts';
import { tokenKey } from './keys.ts';
import { fastifyPath, tokenPaths } from './paths.ts';
import { parseNothing, type RawQuery } from './query.ts';
import { newToken, tokenView } from './tokens.ts';
import type { TokenRecord, TokenScope } from './trust-record.ts';
import type { World } from './world.ts';

interface TokenContext {
  readonly store: Pick<Store, 'txn'>;
  readonly world: World;
  readonly now: () => Date;
  readonly randomBytes: (n: number) => Uint8Array;
}

export function registerTokens(app: FastifyInstance, ctx: TokenContext): void {
  const { world, store, now } = ctx;
  const check = compileCheck(tokenInput);

  app.get(tokenPaths.tokens, async (request): Promise<TokenList> => {
    parseNothing(request.query as RawQuery);
    const at = now();
    const own = [...world.trust.tokens.values()]
      .map(({ record }) => record)
      .filter((token) => !isExpired(token, at) && isOwn(request.access, token));
    return { items: own.sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1)).map(tokenView) };
  });

  app.post(tokenPaths.tokens, async (request, reply) => {
    parseNothing(request.query as RawQuery);
    check(request.body);
    const created = await create(ctx, request, request.body as TokenInput);
    return reply.code(201).header('cache-control', 'no-store').send(created);
  });

  app.delete(fastifyPath(tokenPaths.token), async (request, reply) => {
    parseNothing(request.query as RawQuery);
    const id = tokenIdOf((request.params as { token: string }).token);
    const { access } = request;
    const record = world.trust.tokens.get(id)?.record;
    if (!record || !isOwn(access, record)) throw new HeddleError('NOT_FOUND', { kind: 'token', name: id.slice(0, 80) });
    // Whoever reads only may still end what it shows itself.
    if (!mayChange(access) && !(access.principal?.kind === 'user' && access.principal.token === id))
      throw forbidden(access, 'write', 'tokens');
    const { revision } = await store.txn({ ops: [{ delete: tokenKey(id) }] });
    await world.reached(revision);
    return reply.code(204).header('heddle-revision', String(revision)).send();
  });
}

/** Its user's, made for no more than it may itself; of whoever reads all, everybody's. */
function isOwn(access: Access, { user, scope }: TokenRecord): boolean {
  const { principal } = access;
  if (access.readsAll) return true;
  if (principal?.kind !== 'user' || principal.name !== user) return false;
  const within = principal.scope?.tenants;
  return within === undefined || (scope.tenants?.every((tenant) => within.includes(tenant)) ?? false);
}

const mayChange = ({ principal }: Access): boolean => principal?.kind !== 'user' || principal.scope?.readOnly !== true;

/** @throws FORBIDDEN, NOT_FOUND, INVALID, TOKEN_LIMIT */
async function create(ctx: TokenContext, request: FastifyRequest, input: TokenInput): Promise<TokenCreated> {
  const { world, store, now, randomBytes } = ctx;
  const { access } = request;
  const principal = request.principal!;
  const own = principal.kind === 'user' ? principal : undefined;
  if (!mayChange(access)) throw forbidden(access, 'write', 'tokens');
  const user = input.user ?? own?.name;
  if (user === undefined) throw invalid('user', 'is required: whose token it is');
  const { groups = user === own?.name ? [...own.groups] : [], description = '' } = input;
  if (!access.mayAll && user !== own?.name) throw forbidden(access, 'write', 'tokens of other users');
  if (!access.mayAll && !groups.every((group) => own?.groups.includes(group)))
    throw forbidden(access, 'write', 'tokens of groups that are not its own');
  const at = now();
  const { tokens } = world.trust;
  const good = [...tokens.values()].filter(({ record }) => record.user === user && !isExpired(record, at));
  if (good.length >= tokenLimits.perUser) throw new HeddleError('TOKEN_LIMIT', { user, limit: tokenLimits.perUser });
  const fields = {
    ...{ user, groups, description, by: whoText(principal), createdAt: at.toISOString() },
    scope: scopeOf(world, access, input.scope),
    expiresAt: new Date(endOf(access, user, at.getTime(), input.ttlSeconds)).toISOString(),
  };
  const { record, text, key } = newToken(fields, randomBytes);
  const like = { isLike: (each: TokenRecord) => each.user === user, most: tokenLimits.perUser };
  const { revision } = await store.txn({
    compare: [{ key, exists: false }],
    ops: [{ put: { key, value: JSON.stringify(record) } }, ...sweepExpired(tokens, tokenKey, at, like)],
  });
  await world.reached(revision);
  return { ...tokenView(record), token: text };
}

/** No more than that of the token that asks. @throws NOT_FOUND */
function scopeOf(world: World, access: Access, asked: TokenInput['scope'] = {}): TokenScope {
  const { principal } = access;
  const within = principal?.kind === 'user' ? principal.scope?.tenants : undefined;
  const named = asked.tenants?.map((ref) => seenTenant(world, access, ref) as TenantId);
  const tenants = named ? [...new Set(named)] : within;
  return { ...(tenants && { tenants }), ...(asked.readOnly && { readOnly: true }) };
}

/** When it ends, milliseconds since 1970. @throws INVALID */
function endOf(access: Access, user: string, nowMs: number, ttlSeconds: number | undefined): number {
  const wanted = nowMs + (ttlSeconds ?? tokenLimits.ttlSecondsDefault) * 1000;
  const limit = limitOf(access, user, nowMs);
  if (!limit || wanted <= limit.untilMs) return wanted;
  if (ttlSeconds === undefined) return limit.untilMs;
  throw invalid('ttlSeconds', `goes beyond ${new Date(limit.untilMs).toISOString()}: ${limit.why}`);
}

/** Until when one for a user may be good at most, but for what all tokens have: undefined, as long as those may. */
function limitOf({ principal, mayAll }: Access, user: string, nowMs: number) {
  if (principal?.kind !== 'user') return undefined;
  const { via, name, untilMs } = principal;
  // The groups in it are those of this login, and the provider ends no token of ours.
  if (via === 'oidc' && user === name)
    return {
      untilMs: nowMs + tokenLimits.ttlSecondsOfLogin * 1000,
      why: 'one that you make of your own login is good for a day; an admin makes what lasts',
    };
  if (via === 'token' && !mayAll && untilMs !== undefined)
    return { untilMs, why: 'there the token ends by which it is made' };
  return undefined;
}

const invalid = (field: string, problem: string) => new HeddleError('INVALID', { field, problem });
