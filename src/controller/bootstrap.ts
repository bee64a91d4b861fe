import { rmSync, writeFileSync } from 'node:fs';
import { HeddleError } from '../model/errors.ts';
import { type GrantId, newId } from '../model/ids.ts';
import { tokenLimits } from '../model/token.ts';
import type { Store } from '../store/contract.ts';
import { Draft } from './draft.ts';
import { newToken } from './tokens.ts';

interface Bootstrap {
  readonly store: Pick<Store, 'txn' | 'extent'>;
  readonly now: () => Date;
  readonly randomBytes: (n: number) => Uint8Array;
  /** Where the token goes, for its owner alone. */
  readonly file: string;
}

/** The user who may all on an installation that nobody has used yet. */
export const firstUser = 'admin';

/**
 * At the first start on an empty store, somebody who may all: a grant for user "admin", and an API token of it. The file comes
 * first: whoever dies in between leaves a token that is no good, and begins again.
 * @returns the token's text; undefined if it is not the first start. @throws STORE_BROKEN if the file cannot be written
 */
export async function bootstrapAdmin({ store, now, randomBytes, file }: Bootstrap): Promise<string | undefined> {
  if ((await store.extent()).revision > 0n) return undefined;
  const createdAt = now().toISOString();
  const grant = {
    ...{ id: newId<GrantId>(), name: firstUser, createdAt, labels: {} },
    ...{ subject: `user:${firstUser}`, role: 'admin' as const },
  };
  const { record, text, key } = newToken(
    {
      ...{ user: firstUser, groups: [], scope: {}, by: 'the first start', description: 'the first start', createdAt },
      expiresAt: new Date(Date.parse(createdAt) + tokenLimits.ttlSecondsDefault * 1000).toISOString(),
    },
    randomBytes,
  );
  writeForOwner(file, `${text}\n`);
  const draft = new Draft().create('grant', grant).put(key, JSON.stringify(record));
  const { committed } = await store.txn({ compare: draft.compare, ops: draft.ops });
  return committed ? text : undefined;
}

function writeForOwner(file: string, text: string): void {
  try {
    rmSync(file, { force: true });
    writeFileSync(file, text, { mode: 0o600, flag: 'wx' });
  } catch (cause) {
    throw new HeddleError('STORE_BROKEN', { problem: `${file}: ${(cause as Error).message}` }, cause);
  }
}
