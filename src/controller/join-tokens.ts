import { HeddleError } from '../model/errors.ts';
import { type JoinTokenInput, type JoinTokenMade, type JoinTokenView, joinTokenTtlSeconds } from '../model/trust.ts';
import type { Store } from '../store/contract.ts';
import { joinTokenText, parseJoinToken } from '../trust/join-token.ts';
import { digestOf, isSecretOf, newSecret } from '../trust/secret.ts';
import { isExpired, sweepExpired } from './expired-tokens.ts';
import { givenTenants, tenantsBy } from './given-tenants.ts';
import { joinTokenKey } from './keys.ts';
import type { Kept } from './trust-book.ts';
import type { JoinTokenRecord } from './trust-record.ts';
import type { World } from './world.ts';

/** Most tokens that are there at a time. */
const JOIN_TOKENS_MAX = 10_000;

export interface JoinTokenContext {
  readonly store: Pick<Store, 'txn'>;
  readonly world: World;
  readonly now: () => Date;
  readonly randomBytes: (n: number) => Uint8Array;
}

/** Makes one; with `keeps` it has no tenants of its own. @param pin of the authority that signs @param by who asks @throws NOT_FOUND for a tenant, JOIN_TOKEN_LIMIT, BUSY */
export async function createJoinToken(
  { store, world, now, randomBytes }: JoinTokenContext,
  {
    ttlSeconds = joinTokenTtlSeconds.default,
    uses = 1,
    name,
    tenants = [],
    keeps,
  }: JoinTokenInput & Pick<JoinTokenRecord, 'keeps'>,
  pin: string,
  by: string,
): Promise<JoinTokenMade> {
  const at = now();
  const counting = [...world.trust.joinTokens.values()].filter(({ record }) => !isExpired(record, at));
  if (counting.length >= JOIN_TOKENS_MAX) throw new HeddleError('JOIN_TOKEN_LIMIT', { limit: JOIN_TOKENS_MAX });
  const [id, secret] = [Buffer.from(randomBytes(6)).toString('hex'), newSecret(randomBytes)];
  const record: JoinTokenRecord = {
    id,
    digest: digestOf(secret),
    createdAt: at.toISOString(),
    expiresAt: new Date(at.getTime() + ttlSeconds * 1000).toISOString(),
    uses,
    left: uses,
    ...(name !== undefined && { host: name }),
    tenants: givenTenants(world, tenants),
    ...(keeps && { keeps }),
    by,
  };
  const swept = sweepExpired(world.trust.joinTokens, joinTokenKey, at, { isLike: () => true, most: JOIN_TOKENS_MAX });
  const key = joinTokenKey(id);
  const { committed, revision } = await store.txn({
    compare: [{ key, exists: false }],
    ops: [{ put: { key, value: JSON.stringify(record) } }, ...swept],
  });
  await world.reached(revision);
  if (!committed) throw new HeddleError('BUSY', { tries: 1 });
  return { ...joinTokenView(world, record), token: joinTokenText({ id, secret, pin }) };
}

/** Without what could let somebody in; with the tenants that it would give now. */
function joinTokenView(world: World, record: JoinTokenRecord): JoinTokenView {
  const { id, createdAt, expiresAt, uses, left, host: name, by } = record;
  const tenants = [...tenantsBy(world, record)];
  return { id, createdAt, expiresAt, uses, left, ...(name !== undefined && { name }), tenants, by };
}

/** Those that count, by age. */
export const listJoinTokens = ({ world, now }: Pick<JoinTokenContext, 'world' | 'now'>): JoinTokenView[] =>
  [...world.trust.joinTokens.values()]
    .map(({ record }) => record)
    .filter((record) => !isExpired(record, now()))
    .sort((a, b) => (a.createdAt < b.createdAt ? -1 : 1))
    .map((record) => joinTokenView(world, record));

/** Ends one. @throws NOT_FOUND */
export async function deleteJoinToken({ store, world }: JoinTokenContext, id: string): Promise<bigint> {
  const key = joinTokenKey(id);
  const { revision, committed } = world.trust.joinTokens.get(id)
    ? await store.txn({ compare: [{ key, exists: true }], ops: [{ delete: key }] })
    : { revision: world.revision, committed: false };
  await world.reached(revision);
  if (!committed) throw new HeddleError('NOT_FOUND', { kind: 'host token', name: id.slice(0, 80) });
  return revision;
}

/**
 * The token of a text, if the secret is right, and it has not ended. Whether it has uses left is decided with the write that takes
 * one.
 * @throws TOKEN_INVALID; only to who has the secret does it say more than that there is none
 */
export function findJoinToken(world: World, text: string, now: Date): Kept<JoinTokenRecord> {
  const found = shownJoinToken(world, text);
  refuseEnded(found.record, now);
  return found;
}

/** @throws TOKEN_INVALID if it has ended: only for who has shown the secret */
export function refuseEnded(record: Pick<JoinTokenRecord, 'expiresAt'>, now: Date): void {
  if (isExpired(record, now)) throw new HeddleError('TOKEN_INVALID', { problem: `it expired at ${record.expiresAt}` });
}

/** The token of a text, if the secret is right, whether it is good for anything still or not. @throws TOKEN_INVALID */
export function shownJoinToken({ trust }: World, text: string): Kept<JoinTokenRecord> {
  const { id, secret } = parseJoinToken(text);
  const found = trust.joinTokens.get(id);
  if (!isSecretOf(secret, found?.record.digest) || !found)
    throw new HeddleError('TOKEN_INVALID', { problem: 'there is none like it, or none any more' });
  return found;
}
