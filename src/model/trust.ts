/** What is asked and answered about certificates and joining. */
import { type Static, Type } from '#typebox';
import { Address, Id, limits, Mtu, Name, Ref, strict } from './fields.ts';

/** How long a token to join counts. */
export const joinTokenTtlSeconds = { default: 3600, least: 60, most: 30 * 86_400 } as const;

const time = Type.String({ format: 'date-time' });
const pem = (what: string) => Type.String({ minLength: 1, description: `${what}, PEM` });
const hostPem = pem('Of the host, and behind it what leads to an older authority');
const csr = Type.String({
  minLength: 1,
  maxLength: 4096,
  description: 'PKCS #10 request for a P-256 key, PEM; nothing but its key is taken',
});

export const JoinTokenInput = Type.Object(
  {
    ttlSeconds: Type.Optional(
      Type.Integer({
        minimum: joinTokenTtlSeconds.least,
        maximum: joinTokenTtlSeconds.most,
        description: 'How long it counts; default: an hour',
      }),
    ),
    uses: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10_000, description: 'How many hosts it lets in; default: 1' }),
    ),
    name: Type.Optional({ ...Name, description: 'The host that it is for, which may be there; default: any new one' }),
    tenants: Type.Optional(
      Type.Array(Ref('tenant'), {
        maxItems: limits.tenantsPerHost,
        description:
          'Tenants in which the users of the host may attach; *: all; default: none, or for a host that is there those that it has when it joins, as far as who asks may give them',
      }),
    ),
  },
  strict,
);
const token = {
  id: Type.String(),
  createdAt: time,
  expiresAt: time,
  uses: Type.Integer(),
  left: Type.Integer({ description: 'How many more hosts it lets in' }),
  name: Type.Optional(Name),
  tenants: Type.Array(Type.String()),
  by: Type.String({ description: 'Who made it' }),
};
export const JoinTokenView = Type.Object(token, strict);
export const JoinTokenMade = Type.Object(
  { ...token, token: Type.String({ description: 'The token itself, which is shown this once' }) },
  strict,
);

export const JoinInput = Type.Object(
  {
    token: Type.String({ minLength: 1, maxLength: 200 }),
    csr,
    name: Type.Optional({ ...Name, description: 'Default: the one that the token is for' }),
    hostname: Type.Optional(
      Type.String({ maxLength: 255, description: 'What the machine calls itself: its name if nothing else gives one' }),
    ),
    vtep: Type.Optional({ ...Address, description: 'Underlay address; default: the one that the request comes from' }),
    mtuBytes: Type.Optional({ ...Mtu, minimum: 1350, maximum: 65_535, description: 'Underlay MTU' }),
  },
  strict,
);
export const Joined = Type.Object(
  {
    host: Type.Object({ id: Id, name: Name }, strict),
    certificate: hostPem,
    notAfter: time,
    ca: pem('Authorities that it is to believe'),
  },
  strict,
);

export const RenewalInput = Type.Object({ csr }, strict);
export const Renewed = Type.Object(
  { certificate: hostPem, notAfter: time, ca: pem('Authorities that it is to believe') },
  strict,
);

export const AuthorityView = Type.Object({ ca: pem('Authorities of the installation') }, strict);
export const RetireInput = Type.Object(
  { force: Type.Optional(Type.Boolean({ description: 'Although hosts have no other certificate; default: false' })) },
  strict,
);
export const TrustStatus = Type.Object(
  {
    authorities: Type.Array(
      Type.Object(
        {
          id: Type.String(),
          name: Type.String(),
          signs: Type.Boolean({ description: 'New certificates are of this one' }),
          pin: Type.String({ description: 'SHA-256 of its key, base64url' }),
          notBefore: time,
          notAfter: time,
          hosts: Type.Array(Type.Object({ name: Name, notAfter: time }, strict), {
            description: 'Those whose certificate is of it, and until when',
          }),
        },
        strict,
      ),
    ),
    controller: Type.Object({ notAfter: time }, strict),
  },
  strict,
);

export type JoinTokenInput = Static<typeof JoinTokenInput>;
export type JoinTokenView = Static<typeof JoinTokenView>;
export type JoinTokenMade = Static<typeof JoinTokenMade>;
export type JoinInput = Static<typeof JoinInput>;
export type Joined = Static<typeof Joined>;
export type RenewalInput = Static<typeof RenewalInput>;
export type Renewed = Static<typeof Renewed>;
export type AuthorityView = Static<typeof AuthorityView>;
export type RetireInput = Static<typeof RetireInput>;
export type TrustStatus = Static<typeof TrustStatus>;
