import { request } from 'node:http';
import { readText } from '../../src/client/transport.ts';

// biome-ignore lint/suspicious/noExplicitAny: answers of every shape
export type Answer = any;

/** Calls a plug-in on its socket as Docker's client does; also the answer of an error. */
export async function callPlugin(
  socketPath: string,
  method: string,
  body?: unknown,
): Promise<{ status: number; body: Answer }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; body: Answer }>();
  const headers = { accept: 'application/vnd.docker.plugins.v1.2+json' };
  const outgoing = request({ socketPath, path: `/${method}`, method: 'POST', agent: false, headers }, (response) =>
    readText(response).then((text) => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }), reject),
  );
  outgoing.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}
