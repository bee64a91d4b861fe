/** API tokens: what a program shows in place of a login. */
import { type Static, Type } from '#typebox';
import { Id, Ref, strict } from './fields.ts';
import { GroupName, UserName } from './grant.ts';

const daySeconds = 86_400;
/** How much of them there is. */
export const tokenLimits = {
  perUser: 100,
  groups: 100,
  tenants: 100,
  descriptionChars: 200,
  ttlSecondsMin: 60,
  ttlSecondsDefault: 90 * daySeconds,
  ttlSecondsMax: 400 * daySeconds,
  /** Most of one that a login by a provider makes for its own user: what the provider takes away is so gone in a day. */
  ttlSecondsOfLogin: daySeconds,
} as const;

const readOnly = Type.Boolean({ description: 'It writes nothing' });
const list = <T extends ReturnType<typeof Type.String>>(items: T, maxItems: number, description: string) =>
  Type.Array(items, { maxItems, description });

export const TokenInput = Type.Object(
  {
    user: Type.Optional({ ...UserName, description: 'Whose it is; default: yours' }),
    groups: Type.Optional(
      list(GroupName, tokenLimits.groups, 'What else its roles are those of; default: your groups, if it is yours'),
    ),
    description: Type.Optional(
      Type.String({ maxLength: tokenLimits.descriptionChars, description: 'What it is for, for people' }),
    ),
    ttlSeconds: Type.Optional(
      Type.Integer({
        minimum: tokenLimits.ttlSecondsMin,
        maximum: tokenLimits.ttlSecondsMax,
        description: `How long it is good; default: ${tokenLimits.ttlSecondsDefault / daySeconds} days; of a login’s own a day, and no longer`,
      }),
    ),
    scope: Type.Optional(
      Type.Object(
        {
          tenants: Type.Optional(
            Type.Array(Ref('tenant'), { minItems: 1, maxItems: tokenLimits.tenants, description: 'In these alone' }),
          ),
          readOnly: Type.Optional(readOnly),
        },
        { ...strict, description: 'What it may less than its user; default: nothing less' },
      ),
    ),
  },
  strict,
);
export type TokenInput = Static<typeof TokenInput>;

/** A token as clients read it, without its secret. */
export const Token = Type.Object(
  {
    id: Type.String({ pattern: '^[0-9a-f]{16}$' }),
    user: UserName,
    groups: Type.Array(GroupName),
    description: Type.String(),
    scope: Type.Object(
      { tenants: Type.Optional(Type.Array(Id)), readOnly: Type.Optional(readOnly) },
      { ...strict, description: 'Empty: it may what its user may' },
    ),
    by: Type.String({ description: 'Who made it' }),
    createdAt: Type.String({ format: 'date-time' }),
    expiresAt: Type.String({ format: 'date-time' }),
  },
  strict,
);
export type Token = Static<typeof Token>;

/** What making one answers: its text is told this once. */
export const TokenCreated = Type.Object(
  { ...Token.properties, token: Type.String({ description: 'The token itself: nobody can read it again' }) },
  strict,
);
export type TokenCreated = Static<typeof TokenCreated>;

/** All at once: of a user there are few. */
export const TokenList = Type.Object({ items: Type.Array(Token) }, strict);
export type TokenList = Static<typeof TokenList>;

/**
 * The id of a token, to join or of the API, of whoever may have the whole token in its place: "hdt_<id>_<secret>". What begins
 * as one is cut where an id ends, so that nothing secret is left, however it is mangled.
 */
export function tokenIdOf(text: string): string {
  const trimmed = text.trim();
  return /^hd[tj]_([^_]{1,16})/.exec(trimmed)?.[1] ?? trimmed;
}
