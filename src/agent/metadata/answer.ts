/** A request and who asks → an answer: all of the metadata service but its sockets. */
import { type Directory, directory, textAt } from './directory.ts';
import { ec2Tree, versions } from './ec2.ts';
import type { Instance } from './instance.ts';
import { noCloudTree } from './nocloud.ts';
import type { Tokens } from './tokens.ts';

/** What of a request decides; header names in lower case. */
export interface Request {
  readonly method: string;
  /** As it came: "/latest/meta-data/?x", or a whole URL. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
}

/** An answer; its body is text. */
export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection ends with it. */
  readonly close?: true;
}

const tokenHeader = 'x-aws-ec2-metadata-token';
const ttlHeader = `${tokenHeader}-ttl-seconds`;

/** All that a guest may read. */
const treeOf = (instance: Instance): Directory => {
  const ec2 = ec2Tree(instance);
  const entries = { ...noCloudTree(instance).entries, ...Object.fromEntries(versions.map((v) => [v, ec2])) };
  return directory(entries, versions.join('\n'));
};

/** `instance`: the port whose address the request came from; without one there is nothing to read. */
export function answer(request: Request, instance: Instance | undefined, tokens: Tokens): Answer {
  const { method, headers } = request;
  if (hasBody(headers)) return { ...plain(413), close: true };
  if (!instance) return plain(404);
  const parts = partsOf(request.url);
  if (!parts) return plain(400);
  if (method === 'PUT') return putToken(parts, instance, headers, tokens);
  if (method !== 'GET' && method !== 'HEAD') return { ...plain(405), headers: { allow: 'GET, HEAD, PUT' } };
  const token = headers[tokenHeader];
  if (token !== undefined && !tokens.accepts(instance.port.id, String(token))) return plain(401);
  const body = textAt(treeOf(instance), parts);
  return body === undefined ? plain(404) : { status: 200, body };
}

/** A request that a proxy has passed on may be of somebody who must not have a token. */
function putToken(parts: readonly string[], { port }: Instance, headers: Request['headers'], tokens: Tokens): Answer {
  const [version = '', ...path] = parts;
  if (!versions.includes(version) || path.join('/') !== 'api/token') return plain(404);
  if (headers['x-forwarded-for'] !== undefined) return plain(403);
  const seconds = headers[ttlHeader];
  const token = tokens.issue(port.id, seconds === undefined ? undefined : String(seconds));
  return token === undefined ? plain(400) : { status: 200, body: token, headers: { [ttlHeader]: String(seconds) } };
}

const hasBody = (headers: Request['headers']): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';

/** The parts of a path, without empty ones; undefined if it cannot be read. */
function partsOf(url: string): string[] | undefined {
  const [path = ''] = url.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/);
  try {
    return path.split('/').filter(Boolean).map(decodeURIComponent);
  } catch {
    return undefined; // what is no text is no path
  }
}

const titles: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  413: 'Content Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
};
/** An answer that says only what its status says. */
export const plain = (status: number): Answer => ({ status, body: `${status} ${titles[status] ?? ''}\n` });
