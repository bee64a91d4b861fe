/**
 * Requests to an OpenID provider: by TLS, bounded in time and size, and only there where they are sent. The controller asks one,
 * and so does the command line: both import this layer.
 */
import { request as requestPlain } from 'node:http';
import { request as requestByTls } from 'node:https';
import { getCACertificates } from 'node:tls';
import { HeddleError } from '../model/errors.ts';

/** Longest answer of a provider, bytes; one with a hundred keys has 60 KiB. */
const ANSWER_BYTES = 1 << 20;
/** So long a provider may take for a whole answer. */
const ANSWER_MS = 10_000;

/** What jose and openid-client ask with. */
interface ProviderRequest {
  readonly method?: string;
  readonly headers?: Headers | Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly signal?: AbortSignal | null | undefined;
}
/** Like fetch(). @throws PROVIDER_UNREACHABLE; an abort passes unchanged */
export type ProviderFetch = (url: string | URL, request?: ProviderRequest) => Promise<Response>;

/**
 * An issuer: an https URL, or http on loopback, for tests and for a provider behind a proxy of this machine.
 * @throws USAGE
 */
export function parseIssuer(text: string): URL {
  const url = URL.parse(text);
  if (!url || !isSafe(url) || url.search || url.hash || url.username || url.password)
    throw new HeddleError('USAGE', {
      problem: `"${text.slice(0, 200)}" is no issuer: write it as the provider does, as https://login.example.org/realms/staff`,
    });
  return url;
}

/** True where nothing that is sent can be read or changed on its way. */
const isSafe = ({ protocol, hostname }: URL): boolean =>
  protocol === 'https:' || (protocol === 'http:' && /^(localhost|\[::1\]|127(\.\d+){3})$/.test(hostname));

/**
 * How an issuer, and what its metadata names, is asked.
 * @param ca PEM, of authorities that are taken besides those that this machine trusts
 */
export function providerFetch(issuer: string, ca?: string): ProviderFetch {
  const allowed = parseIssuer(issuer).protocol === 'http:' ? ['https:', 'http:'] : ['https:'];
  let authorities: string[] | undefined;
  const unreachable = (problem: string, cause?: unknown) =>
    new HeddleError('PROVIDER_UNREACHABLE', { issuer, problem }, cause);
  return async (where, { method = 'GET', headers = {}, body, signal } = {}) => {
    const url = URL.parse(where);
    if (!url || !isSafe(url) || !allowed.includes(url.protocol))
      throw unreachable('it names an address that is not https');
    authorities ??= authoritiesWith(ca);
    const late = AbortSignal.timeout(ANSWER_MS);
    const sent = {
      method,
      headers: Object.fromEntries(new Headers(headers as Record<string, string>)),
      ca: authorities,
      // Also where NODE_TLS_REJECT_UNAUTHORIZED says otherwise.
      rejectUnauthorized: true,
      agent: false as const,
      signal: AbortSignal.any([late, ...(signal ? [signal] : [])]),
    };
    try {
      return await exchange(url, sent, body === undefined || body === null ? undefined : String(body));
    } catch (cause) {
      signal?.throwIfAborted();
      throw unreachable(late.aborted ? `no answer within ${ANSWER_MS / 1000} s` : textOf(cause), cause);
    }
  };
}

/** What this machine trusts, and these. */
const authoritiesWith = (ca: string | undefined): string[] => [
  ...getCACertificates('default'),
  ...getCACertificates('system'),
  ...(ca === undefined ? [] : [ca]),
];

async function exchange(url: URL, options: object, body: string | undefined): Promise<Response> {
  const { promise, resolve, reject } = Promise.withResolvers<Response>();
  const open = url.protocol === 'https:' ? requestByTls : requestPlain;
  const outgoing = open(url, options, async (incoming) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    try {
      for await (const chunk of incoming as AsyncIterable<Buffer>) {
        bytes += chunk.length;
        if (bytes > ANSWER_BYTES) throw new Error(`its answer is over ${ANSWER_BYTES} bytes`);
        chunks.push(chunk);
      }
      const { statusCode: status = 500, headers } = incoming;
      const flat = Object.entries(headers).flatMap(([name, value]) =>
        typeof value === 'string' ? [[name, value] as [string, string]] : [],
      );
      resolve(new Response(status === 204 || status === 304 ? null : Buffer.concat(chunks), { status, headers: flat }));
    } catch (e) {
      outgoing.destroy();
      reject(e);
    }
  });
  outgoing.once('error', reject);
  outgoing.end(body);
  return promise;
}

const textOf = (e: unknown): string => (e as Error).message || String((e as NodeJS.ErrnoException).code);
