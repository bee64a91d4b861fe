import { type Token, type TokenCreated, type TokenInput, type TokenList, tokenIdOf } from '../model/token.ts';
import type { CallOptions, Connection } from './connection.ts';

/** API tokens: one's own; of whoever may all, everybody's. */
export interface TokensClient {
  /** The oldest first; without their texts. */
  tokens(options?: CallOptions): Promise<Token[]>;
  /** Makes one; its text is in this answer alone. */
  createToken(input: TokenInput, options?: CallOptions): Promise<TokenCreated>;
  /** From now on it is no good. Of a whole token only the id is sent: paths are written to logs. */
  deleteToken(id: string, options?: CallOptions): Promise<void>;
}

/** Asked over a connection. */
export function tokensClient({ request }: Connection): TokensClient {
  const path = '/v1/tokens';
  return {
    tokens: async (options) => ((await request('GET', path, options)) as TokenList).items,
    createToken: (body, options) => request('POST', path, { ...options, body }) as Promise<TokenCreated>,
    async deleteToken(id, options) {
      await request('DELETE', `${path}/${encodeURIComponent(tokenIdOf(id))}`, options);
    },
  };
}
