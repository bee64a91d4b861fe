/** The public keys of an OpenID provider, as it publishes them. */
import type { FlattenedJWSInput, JWSHeaderParameters, RemoteJWKSet } from 'jose';
import { HeddleError } from '../model/errors.ts';
import { type ProviderFetch, providerFetch } from '../trust/provider.ts';

/** How long what a provider says is believed, milliseconds. */
export interface KeyTimings {
  /** Its keys are asked for anew after so long. */
  readonly keysMs: number;
  /** And at the earliest so long after the last time, whatever key a token names. */
  readonly againMs: number;
  /** After a failure nothing is asked for so long. */
  readonly failedMs: number;
  /** Where its keys are is asked anew after so long. */
  readonly metadataMs: number;
}
const defaultTimings: KeyTimings = { keysMs: 600_000, againMs: 30_000, failedMs: 5_000, metadataMs: 3_600_000 };

/**
 * A provider's keys. It is asked when the first key is, and is asked little, whatever comes: keys are kept, a key that is not among
 * them makes it asked again only after a while, and so does a failure.
 */
export class ProviderKeys {
  readonly #issuer: string;
  readonly #timings: KeyTimings;
  readonly #fetch: ProviderFetch;
  #known: { readonly uri: string; readonly keys: RemoteJWKSet; readonly until: number } | undefined;
  #pending: Promise<RemoteJWKSet> | undefined;
  #failed: { readonly until: number; readonly cause: unknown } | undefined;

  constructor(issuer: string, ca: string | undefined, timings: Partial<KeyTimings> = {}) {
    this.#issuer = issuer;
    this.#timings = { ...defaultTimings, ...timings };
    this.#fetch = this.#sparing(providerFetch(issuer, ca));
  }

  /** The key that a token's header names. @throws PROVIDER_UNREACHABLE, and jose's own errors */
  readonly keyOf = async (header?: JWSHeaderParameters, token?: FlattenedJWSInput) =>
    (await this.#current())(header, token);

  async #current(): Promise<RemoteJWKSet> {
    const known = this.#known;
    if (known && Date.now() < known.until) return known.keys;
    this.#pending ??= this.#discover().finally(() => {
      this.#pending = undefined;
    });
    try {
      return await this.#pending;
    } catch (e) {
      if (known) return known.keys;
      throw e;
    }
  }

  /** Where the keys are: OpenID Connect Discovery 1.0 §4. */
  async #discover(): Promise<RemoteJWKSet> {
    const { createRemoteJWKSet, customFetch } = await import('jose');
    const answer = await this.#fetch(`${this.#issuer.replace(/\/$/, '')}/.well-known/openid-configuration`);
    const { issuer, jwks_uri: uri } = (await answer.json().catch(() => ({}))) as Record<string, unknown>;
    if (answer.status !== 200 || typeof uri !== 'string' || !URL.canParse(uri))
      throw this.#unreachable(`its metadata cannot be read (HTTP ${answer.status})`);
    if (issuer !== this.#issuer) throw this.#unreachable('its metadata is of another issuer');
    const keys =
      this.#known?.uri === uri
        ? this.#known.keys
        : createRemoteJWKSet(new URL(uri), {
            cacheMaxAge: this.#timings.keysMs,
            cooldownDuration: this.#timings.againMs,
            [customFetch]: this.#fetch,
          });
    this.#known = { uri, keys, until: Date.now() + this.#timings.metadataMs };
    return keys;
  }

  /** Asks nothing for a while after a failure. */
  #sparing(fetch: ProviderFetch): ProviderFetch {
    return async (url, request) => {
      if (this.#failed && Date.now() < this.#failed.until) throw this.#failed.cause;
      try {
        const answer = await fetch(url, request);
        if (answer.status !== 200) throw this.#unreachable(`HTTP ${answer.status}`);
        return answer;
      } catch (cause) {
        this.#failed = { until: Date.now() + this.#timings.failedMs, cause };
        throw cause;
      }
    };
  }

  #unreachable(problem: string): HeddleError {
    return new HeddleError('PROVIDER_UNREACHABLE', { issuer: this.#issuer, problem });
  }
}
