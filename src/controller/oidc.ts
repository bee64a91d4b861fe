/** Whom an OpenID provider says that somebody is. */
import type { JWTPayload } from 'jose';
import { HeddleError } from '../model/errors.ts';
import { UserName } from '../model/grant.ts';
import type { OidcSettings } from '../model/login.ts';
import { parseIssuer } from '../trust/provider.ts';
import { type KeyTimings, ProviderKeys } from './provider-keys.ts';

export interface OidcOptions extends OidcSettings {
  /** Whom tokens must be for, one of these; a client's ID tokens are for the client. */
  readonly audiences: readonly string[];
  /** The claim with the user's name; "email" only if the provider has verified it. */
  readonly userClaim: string;
  /** The claim with the names of groups; with dots also one inside others, as "realm_access.roles". */
  readonly groupsClaim: string;
  /** Put before all names: whoever may choose names at the provider so becomes nobody that was granted something here. */
  readonly prefix: string;
}

/** A user as the provider has it. */
interface ProvidedUser {
  readonly name: string;
  readonly groups: readonly string[];
  /** When the token ends, milliseconds since 1970. */
  readonly untilMs: number;
}

/** Seconds by which the provider's clock may be ahead or behind. */
const CLOCK_SECONDS = 30;
/** Longest token, characters: all headers of a request have 16 KiB. */
const TOKEN_CHARS = 12_288;
/** Those with public keys alone: with others, who can verify a token can make one. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
/** ID tokens, access tokens (RFC 9068), and what does not say; there are others that let nobody in, as logout tokens. */
const types = new Set(['jwt', 'at+jwt', 'application/at+jwt']);

/** Verifies tokens of one provider, ID tokens and access tokens that are JWTs. */
export class Oidc {
  /** What the command line is told. */
  readonly settings: OidcSettings;
  readonly #options: OidcOptions;
  readonly #keys: ProviderKeys;
  readonly #now: () => Date;

  /** @throws USAGE if the issuer is none, or no name can begin with the prefix */
  constructor(options: OidcOptions, now: () => Date = () => new Date(), timings?: Partial<KeyTimings>) {
    const { issuer, clientId, scopes, ca, prefix } = options;
    parseIssuer(issuer);
    if (!isName(`${prefix}a`)) throw new HeddleError('USAGE', { problem: `no name can begin with "${prefix}"` });
    this.settings = { issuer, clientId, scopes, ...(ca !== undefined && { ca }) };
    this.#options = options;
    this.#keys = new ProviderKeys(issuer, ca, timings);
    this.#now = now;
  }

  /** Whose token it is. Cost: one signature, 0.13 ms of ES256. @throws TOKEN_INVALID, PROVIDER_UNREACHABLE; nothing of the token is in them */
  async verifyJwt(token: string): Promise<ProvidedUser> {
    if (token.length > TOKEN_CHARS) throw refusal(`it is over ${TOKEN_CHARS} characters`);
    const { jwtVerify } = await import('jose');
    const { issuer, audiences } = this.#options;
    const verified = await jwtVerify(token, this.#keys.keyOf, {
      ...{ issuer, audience: [...audiences], algorithms },
      requiredClaims: ['exp', 'iat'],
      clockTolerance: CLOCK_SECONDS,
      currentDate: this.#now(),
    }).catch((e: unknown) => {
      throw this.#refused(e);
    });
    const { typ } = verified.protectedHeader;
    if (typ !== undefined && !types.has(typ.toLowerCase())) throw refusal('it is of a type that lets nobody in');
    // It counts only beside a proof that its holder has a key (RFC 9449 §7.1, RFC 8705), and there is none here.
    if (verified.payload.cnf !== undefined) throw refusal('it is bound to a key');
    return userOf(verified.payload, this.#options);
  }

  #refused(e: unknown): HeddleError {
    if (e instanceof HeddleError) return e;
    const { code = '', claim, cause } = e as { code?: string; claim?: string; cause?: unknown };
    if (cause instanceof HeddleError) return cause;
    if (claim !== undefined && code !== 'ERR_JWT_EXPIRED')
      return refusal(`its claim ${claim} is missing, or another`, e);
    const problem = problems[code];
    if (problem !== undefined) return refusal(problem, e);
    // What is left is about its keys, not about the token.
    const { issuer } = this.#options;
    return new HeddleError('PROVIDER_UNREACHABLE', { issuer, problem: 'its keys cannot be read' }, e);
  }
}

/** Of jose's codes those that are about the token. */
const problems: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'it has expired',
  ERR_JWT_INVALID: 'it cannot be read',
  ERR_JWS_INVALID: 'it cannot be read',
  ERR_JOSE_NOT_SUPPORTED: 'it is signed in a way that does not count',
  ERR_JOSE_ALG_NOT_ALLOWED: 'it is signed in a way that does not count',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'its signature is wrong',
  ERR_JWKS_NO_MATCHING_KEY: 'it is signed with a key that is none of the provider’s',
  ERR_JWKS_MULTIPLE_MATCHING_KEYS: 'it does not say which of the provider’s keys signed it',
};

const refusal = (problem: string, cause?: unknown) => new HeddleError('TOKEN_INVALID', { problem }, cause);

function userOf(payload: JWTPayload, { userClaim, groupsClaim, prefix }: OidcOptions): ProvidedUser {
  const named = claimOf(payload, userClaim);
  const name = `${prefix}${named}`;
  if (typeof named !== 'string' || !isName(name)) throw refusal(`its claim ${userClaim} is no name of a user here`);
  if (userClaim === 'email' && payload.email_verified !== true)
    throw refusal('the provider has not verified its claim email');
  const claimed = claimOf(payload, groupsClaim) ?? [];
  const groups = typeof claimed === 'string' ? [claimed] : claimed;
  if (!Array.isArray(groups)) throw refusal(`its claim ${groupsClaim} is no list of names`);
  const texts = groups.filter((group): group is string => typeof group === 'string');
  // What no grant can name says nothing here.
  const untilMs = (payload.exp! + CLOCK_SECONDS) * 1000;
  return { name, groups: texts.map((group) => prefix + group).filter(isName), untilMs };
}

/** As grants have it. */
const isName = (value: string): boolean => namePattern.test(value);
const namePattern = new RegExp((UserName as { pattern?: string }).pattern!);

/** A claim by its name, which may have dots itself, or by the names that lead to it. */
function claimOf(payload: JWTPayload, path: string): unknown {
  if (Object.hasOwn(payload, path)) return payload[path];
  return path
    .split('.')
    .reduce<unknown>(
      (at, part) =>
        typeof at === 'object' && at !== null && Object.hasOwn(at, part)
          ? (at as Record<string, unknown>)[part]
          : undefined,
      payload,
    );
}
