/** What is asked before a login, and what one is then known as. */
import { type Static, Type } from '#typebox';
import { Id, Name, strict } from './fields.ts';
import { installationRoles, tenantRoles } from './grant.ts';

const OidcSettings = Type.Object(
  {
    issuer: Type.String({ description: 'The OpenID provider' }),
    clientId: Type.String({ description: 'As what the command line is registered there' }),
    scopes: Type.Array(Type.String(), { description: 'To ask for' }),
    ca: Type.Optional(
      Type.String({ description: 'PEM: authorities of the provider’s certificate besides those that machines trust' }),
    ),
  },
  strict,
);
/** How people log in by an OpenID provider. */
export type OidcSettings = Static<typeof OidcSettings>;

export const LoginSettings = Type.Object(
  { oidc: Type.Optional({ ...OidcSettings, description: 'Absent: by no provider' }) },
  { ...strict, description: 'How people log in, besides with an API token' },
);
/** How people log in, besides with an API token. */
export type LoginSettings = Static<typeof LoginSettings>;

export const Whoami = Type.Object(
  {
    kind: Type.Enum(['local', 'host', 'user'], {
      description: 'local: root of the controller’s machine, by its unix socket',
    }),
    name: Type.String(),
    host: Type.Optional({ ...Id, description: 'Of a host' }),
    groups: Type.Optional(Type.Array(Type.String(), { description: 'Of a user' })),
    via: Type.Optional(Type.Enum(['token', 'oidc'], { description: 'By what a user is known' })),
    scope: Type.Optional(
      Type.Object(
        {
          tenants: Type.Optional(Type.Array(Name, { description: 'These alone' })),
          readOnly: Type.Optional(Type.Boolean()),
        },
        { ...strict, description: 'What the token may less than its user' },
      ),
    ),
    roles: Type.Array(
      Type.Object(
        {
          role: Type.Enum([...installationRoles, ...tenantRoles]),
          tenant: Type.Optional({ ...Name, description: 'Where; absent: in the installation' }),
        },
        strict,
      ),
      { description: 'By the grants of the user and of its groups, as far as the token’s scope goes' },
    ),
  },
  strict,
);
/** Who somebody is to the controller, and what for. */
export type Whoami = Static<typeof Whoami>;
