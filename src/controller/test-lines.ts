/** Answers without end, line by line, for tests. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import type { Principal } from './principal.ts';
import { asHeader, type TestApi } from './test-api.ts';

export interface Lines extends Disposable {
  // biome-ignore lint/suspicious/noExplicitAny: tests look into lines of every shape
  next(): Promise<any>;
}

/** What a principal is answered at a path that watches or follows; `next` gives undefined at its end. */
export async function openLines(
  api: TestApi,
  principal: Principal | undefined,
  path: string,
  headers: Record<string, string> = {},
): Promise<Lines> {
  if (!api.app.server.listening) await api.app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = api.app.server.address() as AddressInfo;
  const stop = new AbortController();
  const own = principal ? { [asHeader]: JSON.stringify(principal) } : {};
  const sent = { signal: stop.signal, headers: { ...own, ...headers } };
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, sent);
  assert.equal(answer.status, 200, path);
  const lines = linesOf(answer.body!);
  return {
    next: async () => (await lines.next()).value,
    [Symbol.dispose]: () => stop.abort(),
  };
}

/** The lines of an answer. Its body has a reader from now on: fetch ends one that nobody reads, when it collects the answer. */
// biome-ignore lint/suspicious/noExplicitAny: as above
export const linesOf = (body: ReadableStream<Uint8Array>): AsyncGenerator<any, undefined> => linesIn(body.values());

async function* linesIn(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, undefined> {
  let rest = '';
  const decoder = new TextDecoder();
  for await (const chunk of chunks) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop()!;
    for (const line of lines) if (line !== '') yield JSON.parse(line);
  }
  return undefined;
}
