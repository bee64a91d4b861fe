/** What is asked before a login, and what one is then known as. */
import { type Static, Type } from '#typebox';

const OidcSettings = Type.Object(
  {
    issuer: Type.String({ description: 'The OpenID provider' }),
    clientId: Type.String({ description: 'As what the command line is registered there' }),
    scopes: Type.Array(Type.String(), { description: 'To ask for' }),
    ca: Type.Optional(
      Type.String({ description: 'PEM: authorities of the provider’s certificate besides those that machines trust' }),
    ),
  },
  { additionalProperties: false },
);
/** How people log in by an OpenID provider. */
export type OidcSettings = Static<typeof OidcSettings>;

export const LoginSettings = Type.Object(
  { oidc: Type.Optional(OidcSettings) },
  { additionalProperties: false, description: 'How people log in, besides by an API token' },
);
/** How people log in, besides by an API token. */
export type LoginSettings = Static<typeof LoginSettings>;
